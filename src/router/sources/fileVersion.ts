import { realpathSync, statSync } from 'node:fs';

/**
 * A text that changes whenever the file behind `path` does; undefined when there is none.
 *
 * A mounted ConfigMap or Secret never changes a file: it swaps the symbolic link `..data`, so the real
 * path changes. The rest sees files that are replaced or rewritten elsewhere. Synchronous on purpose:
 * it takes microseconds on the memory file systems where mounts live, and a document that is already
 * there is then known before the first question is asked.
 */
export function fileVersion(path: string): string | undefined {
  try {
    const realPath = realpathSync(path);
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(realPath, { bigint: true });
    return [realPath, dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return undefined;
  }
}
