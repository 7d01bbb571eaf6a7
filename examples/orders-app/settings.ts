export interface Settings {
  /** Orders per second. */
  readonly rate: number;
  /** Null: until it is stopped. */
  readonly durationMs: number | null;
  readonly port: number;
  readonly logFormat: 'pretty' | 'json';
}

export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const duration = environment['DURATION_SECONDS'];
  return {
    rate: readNumber('RATE', environment['RATE'] ?? '10', 1, 1000),
    durationMs: duration ? readNumber('DURATION_SECONDS', duration, 1, 86_400) * 1000 : null,
    port: readNumber('PORT', environment['PORT'] ?? '8080', 0, 65_535),
    logFormat: environment['LOG_FORMAT'] === 'json' ? 'json' : 'pretty',
  };
}

function readNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text !== '' && value >= min && value <= max) return value;
  throw new Error(`${name} must be a number from ${min} to ${max}, not "${text}"`);
}
