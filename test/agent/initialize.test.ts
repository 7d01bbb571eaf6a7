import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { readAgentSettings } from '../../src/agent/agentSettings.ts';
import { initialize } from '../../src/agent/initialize.ts';
import { removePasswordFiles } from '../../src/agent/passwordFile.ts';
import { systemClock } from '../../src/lib/clock.ts';

const folders: string[] = [];
afterEach(() => {
  for (const it of folders.splice(0)) rmSync(it, { recursive: true, force: true });
});

test('initdb is given the password as it is in the secret, in memory, and a file left behind is removed', async () => {
  const folder = mkdtempSync(`${tmpdir()}/rm-initialize-`);
  folders.push(folder);
  const settings = readAgentSettings({
    RM_TOPOLOGY: 'orders',
    RM_NAMESPACE: 'shop',
    RM_INSTANCE: 'orders-1',
    RM_POD_NAME: 'orders-1-0',
    RM_POD_UID: 'uid',
    RM_VOLUME_DIR: folder,
    RM_SECRETS_DIR: folder,
    RM_TMP_DIR: folder,
  });
  await mkdir(`${folder}/superuser`);
  await writeFile(`${folder}/superuser/password`, ' with spaces \n');
  const script = `for it in "$@"; do case "$it" in --pwfile=*) echo "$it" >${folder}/path; cat "$(echo "$it" | cut -c10-)" >${folder}/text;; esac; done; exit 1`;
  await writeFile(`${folder}/initdb`, `#!/bin/sh\n${script}\n`);
  await chmod(`${folder}/initdb`, 0o755);
  const begin = () =>
    initialize(
      { topologyUid: 'u', epoch: 1 },
      { dir: folder, majorVersion: 17 },
      settings,
      systemClock,
      new AbortController().signal,
    );
  await expect(begin()).rejects.toThrow(/initdb failed/);
  const path = (await readFile(`${folder}/path`, 'utf8')).trim().replace('--pwfile=', '');
  expect(path).toMatch(existsSync('/dev/shm') ? /^\/dev\/shm\// : new RegExp(`^${folder}/`));
  expect(await readFile(`${folder}/text`, 'utf8')).toBe(' with spaces \n');
  expect(existsSync(path)).toBe(false);

  await writeFile(path, 'left behind');
  await removePasswordFiles(settings);
  expect(existsSync(path)).toBe(false);
});
