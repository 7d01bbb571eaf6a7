// Who is written to: a table of what the document says, what the instances say, and what follows.

import { describe, expect, test } from 'vitest';
import type { EndpointsDocument } from '../../src/endpoints/endpointsDocument.ts';
import { findPrimary, noMemory, type PrimaryMemory } from '../../src/router/findPrimary.ts';
import type { Observation } from '../../src/router/observation.ts';
import { endpointsDocument, primaryEndpoint } from '../fixtures/endpointsDocument.ts';
import { answered, failed, observed } from '../fixtures/observation.ts';

// Epoch 12, timeline 5: orders-1 is primary, orders-2 and orders-3 are replicas.
const operated = endpointsDocument();
const newest = endpointsDocument({
  epoch: 13,
  timeline: null,
  primary: primaryEndpoint({ name: 'orders-2' }),
  replicas: operated.replicas.filter(({ name }) => name !== 'orders-2'),
});
const fixed = endpointsDocument({
  epoch: 0,
  generation: 0,
  timeline: null,
  topology: { ...operated.topology, systemIdentifier: null },
});
const replica = (name: string, timeline: number | null = 5) => answered(name, { role: 'replica', timeline });
const other = { systemIdentifier: '99' };

interface Row {
  readonly when: string;
  readonly document?: EndpointsDocument;
  readonly seen?: readonly Observation[];
  readonly now: readonly Observation[];
  readonly primary: string | null;
  readonly because: string;
}

const rows: readonly Row[] = [
  { when: 'nobody was asked yet', now: [], primary: 'orders-1', because: 'orders-1 is not asked yet' },
  {
    when: 'all is as the document says',
    now: [answered('orders-1'), replica('orders-2')],
    primary: 'orders-1',
    because: 'orders-1 is primary, as the document says',
  },
  {
    when: 'the primary does not answer and nobody was promoted',
    now: [failed('orders-1'), replica('orders-2')],
    primary: 'orders-1',
    because: 'orders-1 does not answer: connection refused',
  },
  {
    when: 'a replica was promoted and the primary is gone',
    now: [failed('orders-1'), answered('orders-2', { timeline: 6 })],
    primary: 'orders-2',
    because: 'orders-2 has been promoted to timeline 6',
  },
  {
    when: 'a replica was promoted and the former primary still runs',
    now: [answered('orders-1'), answered('orders-2', { timeline: 6 })],
    primary: 'orders-2',
    because: 'orders-2 has been promoted to timeline 6',
  },
  {
    when: 'two replicas were promoted one after the other',
    now: [answered('orders-2', { timeline: 6 }), answered('orders-3', { timeline: 7 })],
    primary: 'orders-3',
    because: 'orders-3 has been promoted to timeline 7',
  },
  {
    when: 'the primary was demoted and nobody is promoted yet',
    now: [replica('orders-1'), replica('orders-2')],
    primary: null,
    because: 'orders-1 is a replica now, and no other instance is primary yet',
  },
  {
    when: 'a replica follows a timeline whose primary is not known',
    now: [answered('orders-1'), replica('orders-3', 6)],
    primary: null,
    because: 'orders-1 is of timeline 5, but timeline 6 was seen',
  },
  {
    when: 'a replica follows a newer timeline and the primary does not answer',
    now: [failed('orders-1'), replica('orders-3', 6)],
    primary: null,
    because: 'orders-1 is of timeline 5, but timeline 6 was seen',
  },
  {
    when: 'two claim the same timeline',
    now: [answered('orders-1'), answered('orders-2')],
    primary: null,
    because: 'orders-1 and orders-2 both say that they are primary of timeline 5',
  },
  {
    when: 'two replicas were promoted to the same timeline',
    now: [failed('orders-1'), answered('orders-2', { timeline: 6 }), answered('orders-3', { timeline: 6 })],
    primary: null,
    because: 'orders-2 and orders-3 both say that they are primary of timeline 6',
  },
  {
    when: 'two addresses lead to one server',
    now: [answered('orders-1', { server: 'x' }), answered('orders-2', { server: 'x' })],
    primary: 'orders-1',
    because: 'orders-1 is primary, as the document says',
  },
  {
    when: 'a replica claims a timeline that is not newer than the document’s',
    now: [failed('orders-1'), answered('orders-2')],
    primary: 'orders-1',
    because: 'orders-1 does not answer: connection refused',
  },
  {
    when: 'a primary of another database system has a replica’s address',
    now: [answered('orders-1'), answered('orders-2', { ...other, timeline: 9 })],
    primary: 'orders-1',
    because: 'orders-1 is primary, as the document says',
  },
  {
    when: 'a primary of another database system has the primary’s address',
    now: [answered('orders-1', other), replica('orders-2')],
    primary: null,
    because: 'orders-1 is of another database system',
  },
  {
    when: 'the promoted one is gone and the former primary is back',
    seen: [failed('orders-1'), answered('orders-2', { timeline: 6 })],
    now: [answered('orders-1'), failed('orders-2')],
    primary: 'orders-2',
    because: 'orders-2 does not answer: connection refused',
  },
  {
    when: 'the promoted one was made a replica of the former primary',
    seen: [answered('orders-2', { timeline: 6 })],
    now: [answered('orders-1'), replica('orders-2', 6)],
    primary: null,
    because: 'orders-2 is a replica now, and no other instance is primary yet',
  },
  {
    when: 'a newer document names another primary, and the former one still runs',
    document: newest,
    seen: [answered('orders-1')],
    now: [answered('orders-1'), replica('orders-2')],
    primary: null,
    because: 'orders-2 is a replica now, and no other instance is primary yet',
  },
  {
    when: 'a newer document names another primary, which does not answer, and the former one still runs',
    document: newest,
    seen: [answered('orders-1')],
    now: [answered('orders-1'), failed('orders-2')],
    primary: 'orders-2',
    because: 'orders-2 does not answer: connection refused',
  },
  {
    when: 'a newer document names another primary, which is promoted by now',
    document: newest,
    seen: [answered('orders-1')],
    now: [answered('orders-1'), answered('orders-2', { timeline: 6 })],
    primary: 'orders-2',
    because: 'orders-2 is primary, as the document says',
  },
  {
    when: 'an older document comes back',
    document: { ...operated, epoch: 11 },
    seen: [answered('orders-1')],
    now: [answered('orders-1')],
    primary: null,
    because: 'epoch 12 was seen, but the document is of epoch 11',
  },
  {
    when: 'the document names nobody',
    document: { ...operated, primary: null },
    now: [replica('orders-2')],
    primary: null,
    because: 'the document of epoch 12 names no primary',
  },
  {
    when: 'the document names nobody and a replica was promoted',
    document: { ...operated, primary: null },
    now: [answered('orders-2', { timeline: 6 })],
    primary: 'orders-2',
    because: 'orders-2 has been promoted to timeline 6',
  },
  {
    when: 'a later document of the same epoch names nobody, and the former primary does not answer',
    document: { ...operated, primary: null, generation: 42 },
    seen: [answered('orders-1')],
    now: [failed('orders-1')],
    primary: null,
    because: 'the document of epoch 12 names no primary',
  },
  {
    when: 'addresses are fixed, the primary is gone and a replica was promoted',
    document: fixed,
    now: [failed('orders-1'), answered('orders-2', { timeline: 2 })],
    primary: 'orders-2',
    because: 'orders-2 has been promoted to timeline 2',
  },
  {
    when: 'addresses are fixed and a replica that was never promoted claims',
    document: fixed,
    now: [failed('orders-1'), answered('orders-2', { timeline: 1 })],
    primary: 'orders-1',
    because: 'orders-1 does not answer: connection refused',
  },
  {
    when: 'addresses are fixed and the primary is not asked yet',
    document: fixed,
    now: [answered('orders-2', { timeline: 3, ...other })],
    primary: 'orders-1',
    because: 'orders-1 is not asked yet',
  },
  {
    when: 'addresses are fixed and a replica’s address leads to another database system',
    document: fixed,
    now: [answered('orders-1', { timeline: 1 }), answered('orders-2', { timeline: 3, ...other })],
    primary: 'orders-1',
    because: 'orders-1 is primary, as the document says',
  },
  {
    when: 'addresses are fixed and the former primary is back on its old timeline',
    document: fixed,
    seen: [failed('orders-1'), answered('orders-2', { timeline: 2 })],
    now: [answered('orders-1', { timeline: 1 }), answered('orders-2', { timeline: 2 })],
    primary: 'orders-2',
    because: 'orders-2 has been promoted to timeline 2',
  },
  {
    when: 'timelines are not told and all is as the document says',
    document: fixed,
    now: [answered('orders-1', { timeline: null }), replica('orders-2', null)],
    primary: 'orders-1',
    because: 'orders-1 is primary, as the document says',
  },
  {
    when: 'timelines are not told and two claim',
    document: fixed,
    now: [answered('orders-1', { timeline: null }), answered('orders-2', { timeline: null })],
    primary: null,
    because: 'orders-1 and orders-2 both say that they are primary and do not tell their timelines',
  },
  {
    when: 'timelines are not told and a replica claims',
    document: fixed,
    now: [failed('orders-1'), answered('orders-2', { timeline: null })],
    primary: 'orders-1',
    because: 'orders-1 does not answer: connection refused',
  },
];

describe.each(rows)('when $when', ({ document = operated, seen, now, primary, because }) => {
  test(`${primary ?? 'nobody'} is written to`, () => {
    const before: PrimaryMemory =
      seen === undefined
        ? noMemory
        : findPrimary(document.epoch === 0 ? document : operated, observed(...seen)).memory;
    const found = findPrimary(document, observed(...now), before);
    expect({ primary: found.primary?.name ?? null, because: found.reason }).toEqual({ primary, because });
  });
});

test('what is remembered never goes back, whatever the order of documents and answers', () => {
  const documents = [operated, newest, { ...operated, epoch: 11 }];
  const answers = [
    [],
    [answered('orders-1')],
    [failed('orders-1'), answered('orders-2', { timeline: 6 })],
    [answered('orders-3', { timeline: 4 })],
  ];
  let memory = noMemory;
  for (let step = 0; step < 200; step += 1) {
    const document = documents[(step * 7) % documents.length] ?? operated;
    const now = observed(...(answers[(step * 5) % answers.length] ?? []));
    const found = findPrimary(document, now, memory);
    expect(found.memory.epoch).toBeGreaterThanOrEqual(memory.epoch);
    expect(found.memory.timeline ?? 0).toBeGreaterThanOrEqual(memory.timeline ?? 0);
    if (found.timeline !== null) expect(found.timeline).toBeGreaterThanOrEqual(memory.timeline ?? 0);
    memory = found.memory;
  }
  expect([memory.epoch, memory.timeline]).toEqual([13, 6]);
});
