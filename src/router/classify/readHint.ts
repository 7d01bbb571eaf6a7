// Hints: `/* rpg: primary */` and `/* rpg: replica */`, or the same after `--`. Only a comment in front of the
// first word counts, and only when the hint is all that it says: comments elsewhere may hold text of users,
// as tracing adds it, and would let them choose the server.

import { skipComment } from './textEnds.ts';

export type Hint = 'primary' | 'replica';

const hintPattern = /^(?:--|\/\*)[ \t]*rpg:[ \t]*(primary|replica)\s*(?:\*\/)?$/;

/** The hint of the leading comments; of two different ones the primary wins. */
export function readHint(sql: string): Hint | undefined {
  let hint: Hint | undefined;
  let at = 0;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    if (code === 32 || (code >= 9 && code <= 13)) {
      at += 1;
      continue;
    }
    const end = skipComment(sql, at, code);
    if (end <= at) break;
    const asked = hintPattern.exec(sql.slice(at, end))?.[1];
    if (asked === 'primary') return 'primary';
    if (asked === 'replica') hint = 'replica';
    at = end;
  }
  return hint;
}
