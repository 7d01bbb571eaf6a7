import { expect, test } from 'vitest';
import { parseSwitchover, switchoverText } from '../../src/endpoints/switchoverSetting.ts';

test('what is announced is read back', () => {
  const announcement = { id: '13-a7', to: 'orders-2', holdMs: 5_000 };
  expect(switchoverText(announcement)).toBe('13-a7 orders-2 5000');
  expect(parseSwitchover(switchoverText(announcement))).toEqual(announcement);
  expect(parseSwitchover(switchoverText(null))).toBeNull();
});

test.each([
  undefined,
  null,
  '',
  ' ',
  'a',
  'a orders-2',
  'a orders-2 0',
  'a orders-2 -1',
  'a orders-2 1e3',
  'a orders-2 60001',
  'a orders-2 9999999999',
  'a orders-2 5000 more',
  "a' orders-2 5000",
])('%j announces nothing', (text) => {
  expect(parseSwitchover(text)).toBeNull();
});

test.each([
  { id: 'a b', to: 'orders-2', holdMs: 5_000 },
  { id: '', to: 'orders-2', holdMs: 5_000 },
  { id: 'a', to: 'orders-2', holdMs: 0.5 },
])('%j is not announced, because nobody could read it', (announcement) => {
  expect(() => switchoverText(announcement)).toThrow('cannot be announced');
});
