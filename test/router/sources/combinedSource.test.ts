import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { CombinedSource } from '../../../src/router/sources/combinedSource.ts';
import { staticSource } from '../../../src/router/sources/staticSource.ts';
import type { Topology, TopologySource } from '../../../src/router/sources/topologySource.ts';
import { endpointsDocument } from '../../fixtures/endpointsDocument.ts';
import { ManualClock } from '../../fixtures/manualClock.ts';

const login = () => ({ username: 'app', password: 'hidden', database: 'shop' });

/** Tells what a test wants it to tell. */
class ScriptedSource implements TopologySource {
  readonly origin: string;
  readonly missing = undefined;
  problems: readonly string[] = [];
  topology: Topology | undefined;
  confirmedAtMs: number | undefined;
  #tell: ((topology: Topology) => void) | undefined;

  constructor(origin: string) {
    this.origin = origin;
  }

  async follow(onChange: (topology: Topology) => void): Promise<void> {
    this.#tell = onChange;
    if (this.topology !== undefined) onChange(this.topology);
  }

  tell(differences: Parameters<typeof endpointsDocument>[0], credentials = login()): void {
    this.topology = { document: endpointsDocument(differences), credentials };
    this.#tell?.(this.topology);
  }
}

function combine(...others: readonly TopologySource[]) {
  const [stream, file] = [new ScriptedSource('stream'), new ScriptedSource('file')];
  const told: Topology[] = [];
  const combined = new CombinedSource([stream, file, ...others], silentLog);
  void combined.follow((topology) => told.push(topology), systemClock, new AbortController().signal);
  const generations = () => told.map(({ document }) => document.generation);
  const inUse = () => combined.statuses(0).find(({ isInUse }) => isInUse)?.origin;
  return { stream, file, combined, told, generations, inUse };
}

test('the newest document wins, whoever has it, and the preferred source of equal ones', () => {
  const { stream, file, generations, inUse } = combine();
  file.tell({ generation: 1 });
  expect(inUse()).toBe('file');
  stream.tell({ generation: 1 });
  expect(inUse()).toBe('stream');
  stream.tell({ generation: 3 });
  file.tell({ generation: 2 });
  expect(inUse()).toBe('stream');
  file.tell({ generation: 4 });
  expect([inUse(), generations()]).toEqual(['file', [1, 3, 4]]);
});

test('the same login from another source keeps the connections, and a rotated one is told once', () => {
  const { stream, file, told } = combine();
  file.tell({ generation: 1 });
  stream.tell({ generation: 2 });
  expect(told[1]?.credentials).toBe(told[0]?.credentials);
  const rotated = { ...login(), password: 'changed' };
  stream.tell({ generation: 2 }, rotated);
  file.tell({ generation: 1 }, { ...rotated });
  expect(told.map(({ credentials }) => credentials.password)).toEqual(['hidden', 'hidden', 'changed']);
});

test('a source of another topology is told and left alone', () => {
  const { stream, file, combined, generations } = combine();
  file.tell({ generation: 1 });
  stream.tell({ generation: 9, topology: { namespace: 'shop', name: 'bills', systemIdentifier: null } });
  expect(generations()).toEqual([1]);
  expect(combined.problems).toEqual(['stream: is about another topology than file, which is in use']);
});

test('fixed addresses serve until any document is there, and never again', () => {
  const seed = staticSource({ primary: { host: 'one', credentials: login() } });
  const { stream, told, inUse } = combine(seed);
  expect([inUse(), told.map(({ document }) => document.primary?.host)]).toEqual(['static', ['one']]);
  stream.tell({ generation: 1 });
  expect([inUse(), told.length]).toEqual(['stream', 2]);
});

test('the age of each source is told, and its problems', () => {
  const clock = new ManualClock();
  const { stream, file, combined } = combine();
  stream.problems = ['stream: cannot be followed'];
  file.tell({ generation: 1 });
  file.confirmedAtMs = clock.now();
  clock.advance(1_500);
  expect(combined.statuses(clock.now())).toEqual([
    {
      origin: 'stream',
      isInUse: false,
      epoch: null,
      generation: null,
      ageMs: null,
      problems: ['stream: cannot be followed'],
    },
    { origin: 'file', isInUse: true, epoch: 12, generation: 1, ageMs: 1_500, problems: [] },
  ]);
});
