import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { readPoolerSecrets } from '../../src/pooler/poolerSecrets.ts';

const folders: string[] = [];
afterEach(() => {
  for (const it of folders.splice(0)) rmSync(it, { recursive: true, force: true });
});

test('the password is what the server was given: without one newline at the end, and whole otherwise', async () => {
  const folder = mkdtempSync(`${tmpdir()}/rm-pooler-secrets-`);
  folders.push(folder);
  for (const name of ['tls.crt', 'tls.key', 'ca.crt']) await writeFile(`${folder}/${name}`, name);
  const read = async (text: string) => {
    await writeFile(`${folder}/password`, text);
    return readPoolerSecrets({ tlsDir: folder, passwordFile: `${folder}/password` });
  };
  const before = await read(' a "b" \n');
  expect(before.users).toBe('"replica_manager_pooler" " a ""b"" "\n');
  expect((await read(' a "b"\n')).digest).not.toBe(before.digest);
  await expect(read('\n')).rejects.toThrow(/is empty/);
});
