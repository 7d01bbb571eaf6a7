import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { readAgentSettings } from '../../src/agent/agentSettings.ts';
import { clone } from '../../src/agent/clone.ts';
import { ControlFileReader } from '../../src/agent/controlFile.ts';
import { setOldCopyAside } from '../../src/agent/oldCopy.ts';
import { readVolume } from '../../src/agent/readVolume.ts';
import { systemClock } from '../../src/lib/clock.ts';

const folders: string[] = [];
afterEach(() => {
  for (const it of folders.splice(0)) rmSync(it, { recursive: true, force: true });
});

const controlData = [
  'Database system identifier: 7',
  'Database cluster state: in archive recovery',
  "Latest checkpoint's TimeLineID: 1",
].join('\n');

/** A volume, and programs that fail or succeed as told. */
async function place(programs: { backup?: string; psql?: string } = {}) {
  const folder = mkdtempSync(`${tmpdir()}/rm-old-copy-`);
  folders.push(folder);
  const settings = readAgentSettings({
    RM_TOPOLOGY: 'orders',
    RM_NAMESPACE: 'shop',
    RM_INSTANCE: 'orders-2',
    RM_POD_NAME: 'orders-2-0',
    RM_POD_UID: 'uid',
    RM_VOLUME_DIR: `${folder}/data`,
    RM_TLS_DIR: `${folder}/tls`,
  });
  await mkdir(`${folder}/bin`);
  const scripts = {
    pg_basebackup: programs.backup ?? 'echo "error: could not write: No space left on device" >&2; exit 1',
    psql: programs.psql ?? 'exit 2',
    pg_controldata: `cat <<'END'\n${controlData}\nEND`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(`${folder}/bin/${name}`, `#!/bin/sh\n${text}\n`);
    await chmod(`${folder}/bin/${name}`, 0o755);
  }
  const volume = settings.places.volumeDir;
  const make = async (name: string, isStandby = true) => {
    await mkdir(`${volume}/${name}`, { recursive: true });
    await writeFile(`${volume}/${name}/PG_VERSION`, '17\n');
    if (isStandby) await writeFile(`${volume}/${name}/standby.signal`, '');
  };
  const environment = {
    programs: { dir: `${folder}/bin`, majorVersion: 17 },
    settings,
    clock: systemClock,
    onProgress: () => {},
  };
  const input = { host: 'h', slot: 's', topologyUid: 'u', systemIdentifier: '7', epoch: 1 };
  const signal = new AbortController().signal;
  return {
    settings,
    volume,
    make,
    names: async () => (await readdir(volume)).filter((it) => it.startsWith('pgdata')).sort(),
    clone: () => clone(input, environment, signal),
    read: () => readVolume(settings, environment.programs, new ControlFileReader(), false, signal),
  };
}

test('a copy that is replaced is kept beside the new one, and the volume counts as unfinished', async () => {
  const it = await place();
  await it.make('pgdata');
  await it.make('pgdata.new');
  await setOldCopyAside(it.settings.places);
  expect(await it.names()).toEqual(['pgdata.old']);
  expect(await it.read()).toEqual({ kind: 'unfinished' });
});

test('what a primary has written is never set aside', async () => {
  const it = await place();
  await it.make('pgdata', false);
  await expect(setOldCopyAside(it.settings.places)).rejects.toThrow(/not the copy of a standby/);
  expect(await it.names()).toEqual(['pgdata']);
});

test('a clone that fails for any other reason than space keeps the old copy', async () => {
  const it = await place({ backup: 'echo "error: connection refused" >&2; exit 1', psql: 'echo "7|1|0/0|"' });
  await it.make('pgdata.old');
  await expect(it.clone()).rejects.toThrow(/connection refused/);
  expect(await it.names()).toEqual(['pgdata.old']);
});

test('without space the old copy goes only when the primary answers as the same system, and only of a standby', async () => {
  const cases: readonly [string, boolean, string[]][] = [
    ['exit 2', true, ['pgdata.old']],
    ['echo "8|1|0/3000000|"', true, ['pgdata.old']],
    ['echo "7|1|0/3000000|"', false, ['pgdata.old']],
    ['echo "7|1|0/3000000|"', true, []],
  ];
  for (const [psql, isStandby, left] of cases) {
    const it = await place({ psql });
    await it.make('pgdata.old', isStandby);
    await expect(it.clone()).rejects.toThrow(/No space left/);
    expect(await it.names()).toEqual(left);
  }
});

test('the old copy goes when the new one is in its place', async () => {
  const it = await place({
    backup: 'for a in "$@"; do case "$a" in --pgdata=*) mkdir -p "$(echo "$a" | cut -c10-)";; esac; done',
  });
  await it.make('pgdata.old');
  await it.clone();
  expect(await it.names()).toEqual(['pgdata']);
  expect(existsSync(`${it.volume}/pgdata/standby.signal`)).toBe(true);
});
