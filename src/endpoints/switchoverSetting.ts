// The announcement of a switchover as a setting of the primary, because a mounted document is 60 to 90 s late. Whoever asks the
// primary for its role reads it with the answer.
//
// `replica_manager.switchover = '<id> <to> <holdMs>'`, by configuration file and reload: ALTER SYSTEM takes no setting that no
// server knows before PostgreSQL 17. Empty or absent means that none is announced.

import { maxHoldMs, type SwitchoverAnnouncement } from './endpointsDocument.ts';

export const switchoverSetting = 'replica_manager.switchover';

/** What an id and the name of an instance may consist of, so that three words stay three. */
export const wordPattern = /^[A-Za-z0-9._:-]{1,253}$/;

/** The value of the setting. @throws Error when a part could not be read back */
export function switchoverText(announcement: SwitchoverAnnouncement | null): string {
  if (announcement === null) return '';
  const text = `${announcement.id} ${announcement.to} ${announcement.holdMs}`;
  if (parseSwitchover(text) !== null) return text;
  throw new Error(
    `the switchover ${JSON.stringify(announcement)} cannot be announced, use an id without blanks and a holdMs from 1 to ${maxHoldMs}`,
  );
}

/** Null for what is no announcement: a setting that somebody has spoilt must not stop any write. */
export function parseSwitchover(text: string | null | undefined): SwitchoverAnnouncement | null {
  const [id, to, hold, ...rest] = (text ?? '').trim().split(/ +/);
  if (id === undefined || to === undefined || hold === undefined || rest.length > 0) return null;
  const holdMs = /^[0-9]{1,9}$/.test(hold) ? Number(hold) : 0;
  if (!wordPattern.test(id) || !wordPattern.test(to) || !isHold(holdMs)) return null;
  return { id, to, holdMs };
}

export function isHold(holdMs: number): boolean {
  return Number.isInteger(holdMs) && holdMs >= 1 && holdMs <= maxHoldMs;
}
