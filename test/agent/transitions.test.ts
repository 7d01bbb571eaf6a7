import { expect, test } from 'vitest';
import { type Change, transitionFor, transitions } from '../../src/agent/transitions.ts';

const clone = { topologyUid: 'u', epoch: 1, source: 'a', host: 'a', slot: 'a', systemIdentifier: '7' };

/** One of every change that a plan can ask for; the type says when one is missing. */
const changes: { readonly [Kind in Change['kind']]: readonly Extract<Change, { kind: Kind }>[] } = {
  initialize: [{ kind: 'initialize', topologyUid: 'u', epoch: 1 }],
  clone: [{ kind: 'clone', ...clone }],
  cloneAgain: [{ kind: 'cloneAgain', reason: 'r' }],
  promote: [{ kind: 'promote' }],
  start: [
    { kind: 'start', as: 'primary' },
    { kind: 'start', as: 'replica' },
  ],
  stop: [
    { kind: 'stop', from: 'primary', mode: 'ordered', reason: 'r' },
    { kind: 'stop', from: 'replica', mode: 'immediate', reason: 'r' },
  ],
};

test('every change that a plan can ask for has a row, and every row can be asked for', () => {
  const reached = Object.values(changes)
    .flat()
    .map((change) => transitionFor(change));
  expect(new Set(reached)).toEqual(new Set(transitions));
});

test('the ways between what an instance can be', () => {
  expect(transitions.map(({ from, by, to }) => `${from} -${by}-> ${to}`)).toEqual([
    'empty -initialize-> stopped',
    'empty -clone-> stopped',
    'stopped -start-> primary',
    'stopped -start-> replica',
    'replica -promote-> primary',
    'primary -stop-> stopped',
    'replica -stop-> stopped',
    'replica -cloneAgain-> empty',
  ]);
});
