// What is written about errors is what the code does.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { routerErrorCodes } from '../../src/router/routerError.ts';

const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');

test('every code of the library is documented, and whether its statement may be sent again', () => {
  const rows = [...page.matchAll(/^\| `(RPG_[A-Z_]+)` \| (yes|no) \| ([^|]+) \| ([^|]+) \|$/gm)];

  expect(rows.map(([, code, isRetryable]) => [code, isRetryable])).toEqual(
    Object.entries(routerErrorCodes).map(([code, { isRetryable }]) => [code, isRetryable ? 'yes' : 'no']),
  );
});
