import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatToken,
  maxTokenLength,
  parseToken,
  parseTokens,
} from '../../../src/router/consistency/consistencyToken.ts';
import { lsn } from '../../fixtures/lagView.ts';

const keys = ['the key in use', 'the key before'];
const position = { timeline: 5, lsn: lsn(0x16_b374_d848) };
const token = formatToken(position, keys) ?? '';

test('a token names version, timeline and position, and is signed', () => {
  expect(token).toMatch(/^1\.5\/16b374d848\.[\w-]{43}$/);
  expect(formatToken('pending', keys)).toMatch(/^1\.pending\.[\w-]{43}$/);
  expect(formatToken(position, [])).toBeUndefined();
});

test('whatever was signed is read back, also when the key has changed since', () => {
  const anyPosition = fc.record({ timeline: fc.nat(), lsn: fc.bigInt(0n, 2n ** 64n - 1n) });
  fc.assert(
    fc.property(anyPosition, ({ timeline, lsn: end }) => {
      const given = { timeline, lsn: end as typeof position.lsn };
      const text = formatToken(given, keys) ?? '';
      expect(parseToken(text, keys)).toEqual({ kind: 'position', position: given });
      expect(parseToken(text, ['a new key', ...keys])).toEqual({ kind: 'position', position: given });
    }),
  );
  expect(parseToken(formatToken('pending', keys) ?? '', keys)).toEqual({ kind: 'pending' });
});

test('a token that was changed anywhere is not believed', () => {
  fc.assert(
    fc.property(
      fc.nat(token.length - 1),
      fc.constantFrom('0', '9', 'b', 'X', '-', '_', '.', '/', ','),
      (at, character) => {
        fc.pre(token[at] !== character);
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        expect(parseTokens(changed, keys).every(({ kind }) => kind === 'invalid')).toBe(true);
      },
    ),
  );
});

test('what is no token of ours is refused with its reason', () => {
  const reasonOf = (text: string, given: readonly string[] = keys) => parseToken(text, given);
  expect(reasonOf('garbage')).toEqual({ kind: 'invalid', reason: 'it is not a token' });
  expect(reasonOf(token, ['another key'])).toEqual({ kind: 'invalid', reason: 'its signature is not ours' });
  expect(reasonOf(token, [])).toEqual({ kind: 'invalid', reason: 'there is no key to check tokens with' });
  expect(reasonOf(token.replace(/^1/, '2'))).toEqual({ kind: 'invalid', reason: 'its version is 2, not 1' });
});

test('several tokens are read one by one, and no text is too long to be refused', () => {
  expect(parseTokens(`${token}, ${token},x`, keys).map(({ kind }) => kind)).toEqual([
    'position',
    'position',
    'invalid',
  ]);
  expect(parseTokens('x'.repeat(maxTokenLength + 1), keys)).toEqual([
    { kind: 'invalid', reason: `it is longer than ${maxTokenLength} characters` },
  ]);
  expect(() => fc.assert(fc.property(fc.string(), (text) => void parseTokens(text, keys)))).not.toThrow();
});
