// What every part may say about itself. The shape is pino's, so that the parts that run hand in a pino
// logger, while the parts below them stay free of any logging library.

/** Facts first, then one lower-case sentence about them. Secrets never go into either. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const say = () => {};

/** For callers that have nobody to tell. */
export const silentLog: Log = { debug: say, info: say, warn: say, error: say };
