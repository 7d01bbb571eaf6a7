// What each character can begin or belong to.

import { CLOSE, CLOSE_BRACKET, COMMA, DOT, OPEN, OPEN_BRACKET, SEMICOLON } from './tokens.ts';

export const BLANK = 1;
export const LETTER = 2;
export const DIGIT = 3;
export const DOLLAR = 4;
export const APOSTROPHE = 5;
export const QUOTE = 6;
export const COLON = 7;
export const SIGN = 8;
export const single = 16;

// Classes of the characters of ASCII; 0 has no place in SQL. From 128 on all are letters, as for PostgreSQL,
// to which even a no-break space or a byte order mark is part of a name.
export const classes = new Uint8Array(128);
for (const blank of ' \t\n\r\f\v') classes[blank.charCodeAt(0)] = BLANK;
for (let code = 0; code < 26; code += 1)
  classes.fill(LETTER, 65 + code, 66 + code).fill(LETTER, 97 + code, 98 + code);
classes[95] = LETTER;
for (let code = 48; code <= 57; code += 1) classes[code] = DIGIT;
classes[36] = DOLLAR;
classes[39] = APOSTROPHE;
classes[34] = QUOTE;
classes[58] = COLON;
for (const sign of '+-*/<>=~!@#%^&|`?') classes[sign.charCodeAt(0)] = SIGN;
for (const [text, kind] of Object.entries({
  '(': OPEN,
  ')': CLOSE,
  '[': OPEN_BRACKET,
  ']': CLOSE_BRACKET,
  ',': COMMA,
  '.': DOT,
  ';': SEMICOLON,
}))
  classes[text.charCodeAt(0)] = single + kind;

const wordParts = new Uint8Array(128);
for (const [code, kind] of classes.entries()) {
  wordParts[code] = kind === LETTER || kind === DIGIT || kind === DOLLAR ? 1 : 0;
}

export function isWordPart(code: number): boolean {
  return code >= 128 || wordParts[code] === 1;
}

export function isTagStart(code: number): boolean {
  return code >= 128 || classes[code] === LETTER;
}
