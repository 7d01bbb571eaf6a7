import { readFile } from 'node:fs/promises';

/**
 * The password in a mounted file, as everybody who reads that file understands it: one newline at the end is the editor's,
 * anything else is part of the password.
 *
 * Throws when there is no such file, or nothing in it.
 */
export async function readSecretFile(path: string): Promise<string> {
  const password = (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  if (password === '')
    throw new Error(`the password in ${path} is empty, delete its secret to get a new one`);
  return password;
}
