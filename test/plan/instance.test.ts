import { describe, expect, test } from 'vitest';
import { cloneAgainEveryMs, planInstance } from '../../src/plan/instance.ts';
import {
  answering,
  config,
  data,
  established,
  facts,
  kinds,
  lease,
  missingLease,
  noLease,
  primary,
  record,
  replica,
  slot,
  stopped,
} from './instanceFixtures.ts';

const nothing = { phase: 'running', reason: null, actions: [] };

describe('the first start of a topology', () => {
  test('the first instance makes the Lease before anything else', () => {
    expect(planInstance(facts()).actions).toEqual([{ kind: 'createLease', epoch: 1 }]);
  });

  test('every other instance waits', () => {
    expect(planInstance(facts({ instance: 'orders-2' }))).toEqual({
      phase: 'waiting',
      reason: 'there is no Lease, and this volume is empty: waiting for the primary',
      renewLease: false,
      actions: [],
    });
  });

  test('the holder initialises an empty or unfinished volume while nobody knows a system identifier', () => {
    for (const kind of ['empty', 'unfinished'] as const) {
      expect(
        planInstance(facts({ lease: lease({ systemIdentifier: null }), volume: { kind } })).actions,
      ).toEqual([{ kind: 'initialize', topologyUid: 'uid-1', epoch: 1 }]);
    }
  });

  test('the Lease is renewed while the database is being initialised', () => {
    const plan = planInstance(
      facts({
        lease: lease({ systemIdentifier: null }),
        work: { kind: 'initialize', source: null, progress: null },
      }),
    );
    expect(plan).toEqual({
      phase: 'initializing',
      reason: 'initialising the database',
      renewLease: true,
      actions: [],
    });
  });

  test('others do not clone before the holder has told the system identifier', () => {
    const plan = planInstance(facts({ instance: 'orders-2', lease: lease({ systemIdentifier: null }) }));
    expect([plan.reason, plan.actions]).toEqual(['waiting for orders-1 to initialise the database', []]);
  });

  test('an empty volume of a topology that has data is cloned from the holder', () => {
    expect(
      planInstance(facts({ instance: 'orders-2', config: established, lease: lease({ epoch: 4 }) })).actions,
    ).toEqual([
      {
        kind: 'clone',
        source: 'orders-1',
        host: 'host-1',
        slot: 'orders_2',
        topologyUid: 'uid-1',
        systemIdentifier: '7',
        epoch: 4,
      },
    ]);
  });

  test('a holder whose volume is empty although the topology has data never initialises', () => {
    for (const change of [
      { lease: lease() },
      { lease: lease({ systemIdentifier: null }), config: established },
    ]) {
      expect(planInstance(facts(change))).toMatchObject({ phase: 'waiting', renewLease: false, actions: [] });
    }
  });
});

describe('a volume on which another agent works', () => {
  test('is neither filled nor started, and the Lease is that agent’s to renew', () => {
    const moments = [
      facts(),
      facts({ lease: lease({ systemIdentifier: null }) }),
      facts({ instance: 'orders-2', config: established, lease: lease() }),
      primary({ server: stopped }),
    ];
    for (const moment of moments) {
      expect(planInstance({ ...moment, isVolumeTaken: true })).toEqual({
        phase: 'waiting',
        reason: 'another agent works on this volume: waiting for it to end',
        renewLease: false,
        actions: [],
      });
    }
  });

  test('does not end a server that runs', () => {
    expect(planInstance({ ...primary(), isVolumeTaken: true })).toEqual(planInstance(primary()));
  });
});

describe('starting', () => {
  test('the holder writes its settings and starts as primary', () => {
    expect(kinds(planInstance({ ...primary({ server: stopped }), files: null }).actions)).toEqual([
      'configure',
      'start',
    ]);
    expect(planInstance(primary({ server: stopped })).actions).toEqual([{ kind: 'start', as: 'primary' }]);
  });

  test('everybody else starts as a replica of the holder', () => {
    expect(planInstance(replica({ server: stopped })).actions).toEqual([{ kind: 'start', as: 'replica' }]);
  });

  test('a replica that holds the Lease starts as a replica and is promoted, so that a new timeline begins', () => {
    const elected = { lease: lease({ holder: 'orders-2', epoch: 2 }) };
    expect(planInstance(replica({ ...elected, server: stopped })).actions).toEqual([
      { kind: 'writeRecord', record: { ...record, epoch: 2 } },
      { kind: 'start', as: 'replica' },
    ]);
    expect(kinds(planInstance(replica(elected)).actions)).toEqual(['writeRecord', 'promote']);
  });

  test('a server that ended by itself is started again at once, and at growing intervals when it keeps ending', () => {
    const ended = (exits: number, stoppedForMs: number) =>
      kinds(planInstance(primary({ server: { kind: 'stopped', exits, stoppedForMs } })).actions);
    expect(ended(1, 0)).toEqual(['start']);
    expect(ended(2, 999)).toEqual([]);
    expect(ended(2, 1_000)).toEqual(['start']);
    expect(ended(5, 7_999)).toEqual([]);
    expect(ended(40, 30_000)).toEqual(['start']);
  });

  test('a server that does not answer is left alone and told about after five seconds', () => {
    const silent = (silentForMs: number) =>
      planInstance(primary({ server: { kind: 'silent', as: 'primary', silentForMs } }));
    expect(silent(4_000)).toEqual({ phase: 'startingPostgres', reason: null, renewLease: true, actions: [] });
    expect(silent(9_000).reason).toBe('PostgreSQL does not answer since 9 s');
  });
});

describe('daily life', () => {
  test('a primary and a replica that are as they should be do nothing', () => {
    expect(planInstance(primary())).toEqual({ ...nothing, renewLease: true });
    expect(planInstance(replica())).toEqual({ ...nothing, renewLease: false });
  });

  test('the pod is labelled before roles and slots, which may fail or take long', () => {
    const late = primary({ podRole: null, rolesCurrent: false, server: answering('primary') });
    expect(kinds(planInstance(late).actions)).toEqual(['labelPod', 'healRoles', 'createSlot', 'createSlot']);
  });

  test('only the primary mends roles', () => {
    expect(kinds(planInstance(primary({ rolesCurrent: false })).actions)).toEqual(['healRoles']);
    expect(kinds(planInstance(replica({ rolesCurrent: false })).actions)).toEqual([]);
  });

  test('the primary keeps a slot for each other instance, replaces a lost one and leaves slots of others alone', () => {
    const slots = [
      slot('orders_2', false, 'lost'),
      slot('orders_4', false),
      slot('orders_5'),
      slot('backup', false),
    ];
    expect(planInstance(primary({ server: answering('primary', { slots }) })).actions).toEqual([
      { kind: 'dropSlot', name: 'orders_2' },
      { kind: 'dropSlot', name: 'orders_4' },
      { kind: 'createSlot', name: 'orders_2' },
      { kind: 'createSlot', name: 'orders_3' },
    ]);
  });

  test('a replica keeps no slots: they would hold WAL for nobody', () => {
    expect(
      planInstance(replica({ server: answering('replica', { slots: [slot('orders_3', false)] }) })).actions,
    ).toEqual([{ kind: 'dropSlot', name: 'orders_3' }]);
  });

  test('the pod is labelled with the role, and a pod that is no primary loses that label', () => {
    expect(planInstance(primary({ podRole: 'replica' })).actions).toEqual([
      { kind: 'labelPod', role: 'primary' },
    ]);
    expect(planInstance(replica({ podRole: undefined })).actions).toEqual([]);
    const cloning = facts({ instance: 'orders-2', config: established, lease: lease(), podRole: 'primary' });
    expect(planInstance(cloning).actions[0]).toEqual({ kind: 'labelPod', role: null });
  });

  test('a replica follows another holder by its settings alone', () => {
    const before = replica();
    const after = { ...before, lease: lease({ holder: 'orders-3', epoch: 2 }) };
    const { actions } = planInstance(after);
    expect(kinds(actions)).toEqual(['writeRecord', 'configure']);
    expect(actions[1]).toMatchObject({
      changed: ['conf'],
      files: { conf: expect.stringContaining('host=host-3') },
    });
  });

  test('a renewed certificate is loaded like a changed setting', () => {
    expect(planInstance({ ...primary(), certificateDigest: 'def' }).actions).toMatchObject([
      { kind: 'configure', changed: ['conf'] },
    ]);
  });

  test('a replica whose settings fell behind the primary is restarted', () => {
    expect(planInstance(replica({ pausedReplay: 'settings are too small' })).actions).toEqual([
      { kind: 'stop', from: 'replica', mode: 'ordered', reason: 'settings are too small' },
    ]);
  });
});

describe('hba lines', () => {
  const [good, bad] = ['host all app 10.0.0.0/8 scram-sha-256', 'host all app 10.0.0.0/33 reject'];
  const asked = { ...established, postgres: { ...established.postgres, hba: [good, bad] } };
  const written = (change: Parameters<typeof primary>[0], before: readonly string[]) => {
    const of = primary({ config: asked, ...change });
    const hba = ['# ours', ...before, ''].join('\n');
    const configure = planInstance({ ...of, files: { conf: '', ident: '', hba } }).actions.find(
      (it) => it.kind === 'configure',
    );
    if (configure?.kind !== 'configure') throw new Error('nothing is written');
    return configure.files.hba.split('\n').filter((it) => / app | # until/.test(it));
  };

  test('new ones are written while the server answers, and those that it refuses are left out and told', () => {
    expect(written({}, [])).toEqual([good, bad]);
    expect(written({ refusedHbaLines: [bad] }, [good, bad])).toEqual([good]);
    expect(planInstance(primary({ config: asked, refusedHbaLines: [bad] })).reason).toBe(
      `PostgreSQL refuses spec.postgres.hba[1]: correct these lines; until then the instance runs without`,
    );
  });

  test('a server starts with those that are in force, and with none when it keeps ending', () => {
    expect(written({ server: stopped }, [good])).toEqual([good]);
    const ended = (exits: number) => ({ kind: 'stopped', exits, stoppedForMs: 60_000 }) as const;
    expect(written({ server: ended(1) }, [good, bad])).toEqual([good, bad]);
    const [closed, ...others] = written({ server: ended(2) }, [good, bad]);
    expect([closed, others]).toEqual([expect.stringMatching(/^host +all +all +all +reject +#/), []]);
    const silent = { kind: 'silent', as: 'primary', silentForMs: 0 } as const;
    expect(written({ server: silent }, [closed ?? ''])).toEqual([closed]);
    expect(written({}, [closed ?? ''])).toEqual([good, bad]);
  });
});

describe('who may not be primary', () => {
  test('a primary stops at once when another instance holds the Lease, and waits for a decision about its volume', () => {
    const taken = { lease: lease({ holder: 'orders-2', epoch: 2 }) };
    expect(planInstance(primary(taken)).actions).toEqual([
      { kind: 'stop', from: 'primary', mode: 'immediate', reason: 'orders-2 holds the Lease at epoch 2' },
    ]);
    const after = planInstance(primary({ ...taken, server: stopped }));
    expect(after).toMatchObject({
      phase: 'waiting',
      renewLease: false,
      actions: [{ kind: 'labelPod', role: null }],
    });
    expect(after.reason).toContain("delete this instance's volume claim and pod");
  });

  test('it is stopped whatever the volume, the settings or the binaries say, and also while the pod stops', () => {
    const taken = { lease: lease({ holder: 'orders-2', epoch: 2 }) };
    const moments: Parameters<typeof primary>[0][] = [
      { volume: { kind: 'unreadable', reason: 'broken' } },
      { volume: data({ record: null }) },
      { volume: data({ standby: true }) },
      { config: null },
      { binaries: { kind: 'missing', reason: 'gone' } },
      { stopRequested: true },
      { server: { kind: 'silent', as: 'primary', silentForMs: 0 } },
    ];
    for (const moment of moments) {
      expect(planInstance(primary({ ...taken, ...moment }))).toEqual({
        phase: 'stopping',
        reason: 'orders-2 holds the Lease at epoch 2',
        renewLease: false,
        actions: [
          { kind: 'stop', from: 'primary', mode: 'immediate', reason: 'orders-2 holds the Lease at epoch 2' },
        ],
      });
    }
  });

  test('its immediate stop overtakes an ordered one, once', () => {
    const taken = { lease: lease({ holder: 'orders-2', epoch: 2 }) };
    for (const stopRequested of [true, false]) {
      const stopping = (mode: 'ordered' | 'immediate') =>
        planInstance(primary({ ...taken, stopRequested, server: { kind: 'stopping', as: 'primary', mode } }))
          .actions;
      expect(stopping('ordered')).toMatchObject([{ kind: 'stop', from: 'primary', mode: 'immediate' }]);
      expect(stopping('immediate')).toEqual([]);
    }
  });

  test('an old Lease, or one that nobody holds, stops no primary', () => {
    const volume = data({ record: { ...record, epoch: 5 } });
    for (const held of [lease({ holder: 'orders-2', epoch: 3 }), lease({ holder: '', epoch: 5 })]) {
      expect(planInstance(primary({ volume, lease: held }))).toMatchObject({
        phase: 'running',
        renewLease: false,
        actions: [],
      });
    }
  });

  test('a Lease older than what the volume has seen is not followed', () => {
    const old = data({ record: { ...record, epoch: 5 } });
    expect(planInstance(primary({ volume: old, server: stopped }))).toMatchObject({
      phase: 'waiting',
      actions: [],
      renewLease: false,
    });
  });

  test('a primary that runs makes a missing Lease again at once, with its own epoch', () => {
    const volume = data({ record: { ...record, epoch: 3 } });
    expect(planInstance(primary({ volume, lease: noLease })).actions).toEqual([
      { kind: 'createLease', epoch: 3 },
    ]);
  });

  test('a primary that was stopped gives others the length of a Lease to make it', () => {
    const missing = (missingForMs: number) =>
      kinds(planInstance(primary({ server: stopped, lease: missingLease({ missingForMs }) })).actions);
    expect(missing(9_999)).toEqual([]);
    expect(missing(10_000)).toEqual(['createLease']);
  });

  test('nobody makes a missing Lease below the epoch that was published', () => {
    const later = missingLease({ missingForMs: 1e9, publishedEpoch: 2 });
    for (const server of [stopped, answering('primary')]) {
      const plan = planInstance(primary({ server, lease: later }));
      expect([plan.reason, kinds(plan.actions)]).toEqual([
        'the Lease is gone and this volume has seen epoch 1, but epoch 2 was published: waiting for the instance that was primary then',
        [],
      ]);
    }
    const volume = data({ record: { ...record, epoch: 2 } });
    for (const server of [stopped, answering('primary')]) {
      expect(planInstance(primary({ server, volume, lease: later })).actions).toContainEqual({
        kind: 'createLease',
        epoch: 2,
      });
    }
    const empty = planInstance(facts({ lease: missingLease({ publishedEpoch: 1 }) }));
    expect([empty.reason, empty.actions]).toEqual([
      'there is no Lease, and this volume is empty: waiting for the primary of epoch 1',
      [],
    ]);
  });

  test('while the published epoch cannot be read only a primary that runs makes the Lease', () => {
    const unread = missingLease({ missingForMs: 1e9, publishedEpoch: null });
    const reason =
      'there is no Lease, and the published endpoints cannot be read: waiting to learn the epoch';
    for (const plan of [
      planInstance(primary({ server: stopped, lease: unread })),
      planInstance(facts({ lease: unread })),
    ]) {
      expect([plan.reason, kinds(plan.actions)]).toEqual([reason, []]);
    }
    expect(kinds(planInstance(primary({ lease: unread })).actions)).toEqual(['createLease']);
  });

  test('the Lease of an earlier topology is neither followed nor renewed', () => {
    const foreign = { kind: 'foreign' } as const;
    for (const of of [primary({ lease: foreign }), facts({ lease: foreign })]) {
      expect(planInstance(of)).toMatchObject({
        reason: 'the Lease belongs to an earlier topology of this name, waiting for it to be collected',
        renewLease: false,
        actions: [],
      });
    }
  });

  test('a replica never makes the Lease, however long it is missing', () => {
    for (const server of [stopped, answering('replica')]) {
      expect(
        kinds(planInstance(replica({ server, lease: missingLease({ missingForMs: 1e9 }) })).actions),
      ).toEqual([]);
    }
  });
});

describe('not knowing changes nothing', () => {
  test('without an answer of the API server a server that runs goes on, and one that is stopped stays so', () => {
    const unknown = { kind: 'unknown', reason: 'connection refused' } as const;
    for (const instance of [primary, replica]) {
      expect(planInstance(instance({ lease: unknown })).actions).toEqual([]);
      expect(planInstance(instance({ lease: unknown, server: stopped })).actions).toEqual([]);
      expect(planInstance(instance({ config: null })).actions).toEqual([]);
    }
  });
});

describe('volumes that are refused, untouched', () => {
  const refused: readonly [string, Partial<Parameters<typeof facts>[0]>, RegExp][] = [
    [
      'of another topology',
      { volume: data({ record: { ...record, topologyUid: 'uid-2' } }) },
      /another topology \(uid uid-2\)/,
    ],
    ['of another major', { volume: data({ majorVersion: 16 }) }, /PostgreSQL 16, but version 17/],
    [
      'of another system',
      { volume: data({ systemIdentifier: '8' }) },
      /database system 8, but this topology is 7/,
    ],
    ['that nobody has put there', { volume: data({ record: null }) }, /no topology has put there/],
    ['that cannot be read', { volume: { kind: 'unreadable', reason: 'broken' } }, /broken/],
    [
      'under another image',
      { binaries: { kind: 'found', majorVersion: 16 } },
      /the image holds PostgreSQL 16/,
    ],
  ];
  test.each(refused)('%s', (_what, change, reason) => {
    for (const holder of ['orders-1', 'orders-2']) {
      const plan = planInstance(
        facts({ config: established, lease: lease({ holder }), volume: data(), ...change }),
      );
      expect(plan).toEqual({
        phase: 'refused',
        reason: expect.stringMatching(reason),
        renewLease: false,
        actions: [],
      });
    }
  });
});

describe('cloning again', () => {
  const gone = { missingWal: 'requested WAL segment has already been removed' };

  test('a replica whose WAL is gone is cloned again from a live primary', () => {
    expect(planInstance(replica(gone)).actions).toEqual([{ kind: 'cloneAgain', reason: gone.missingWal }]);
  });

  test('not when the primary is silent, of another system or unknown, and not twice within five minutes', () => {
    const spared = [
      { lease: lease({ unchangedForMs: 10_000 }) },
      { lease: lease({ systemIdentifier: null }) },
      { lease: { kind: 'unknown', reason: 'away' } as const },
      { sinceCloneAgainMs: cloneAgainEveryMs - 1 },
    ];
    for (const change of spared) {
      expect(kinds(planInstance(replica({ ...gone, ...change })).actions)).not.toContain('cloneAgain');
    }
  });

  test('never a primary', () => {
    expect(kinds(planInstance(primary(gone)).actions)).toEqual([]);
  });

  test('a clone is given up when another instance has become primary, and a failed one is repeated later', () => {
    const cloning = facts({
      instance: 'orders-2',
      config: established,
      lease: lease({ holder: 'orders-3' }),
    });
    const work = { kind: 'clone', source: 'orders-1', progress: '12 %' } as const;
    expect(planInstance({ ...cloning, work })).toEqual({
      phase: 'cloning',
      reason: 'cloning from orders-1, 12 %',
      renewLease: false,
      actions: [{ kind: 'abandonWork', reason: 'the primary is orders-3 now' }],
    });
    const failed = (failures: number, sinceMs: number) =>
      kinds(planInstance({ ...cloning, workFailure: { reason: 'no route', failures, sinceMs } }).actions);
    expect(failed(2, 3_999)).toEqual([]);
    expect(failed(2, 4_000)).toEqual(['clone']);
    expect(failed(40, 299_999)).toEqual([]);
    expect(failed(40, 300_000)).toEqual(['clone']);
  });
});

describe('the end', () => {
  test('a server is stopped in order, then the agent ends; the Lease is renewed until then', () => {
    expect(planInstance(primary({ stopRequested: true }))).toEqual({
      phase: 'stopping',
      reason: null,
      renewLease: true,
      actions: [{ kind: 'stop', from: 'primary', mode: 'ordered', reason: 'the pod is stopping' }],
    });
    expect(
      planInstance(
        primary({ stopRequested: true, server: { kind: 'stopping', as: 'primary', mode: 'ordered' } }),
      ).actions,
    ).toEqual([]);
    expect(planInstance(primary({ stopRequested: true, server: stopped }))).toEqual({
      phase: 'stopped',
      reason: null,
      renewLease: false,
      actions: [{ kind: 'finish' }],
    });
  });

  test('work on the volume is given up first', () => {
    const work = { kind: 'clone', source: 'orders-1', progress: null } as const;
    expect(kinds(planInstance(facts({ stopRequested: true, config, work })).actions)).toEqual([
      'abandonWork',
    ]);
  });
});
