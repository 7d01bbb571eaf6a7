// The only place that reads clocks and sets timers, but for `AbortSignal.timeout` around one question. Everything else is handed a `Clock`, so that a
// test can drive time and a decision never depends on when it is asked.

/** Time as the project sees it. `now` never goes back; `wallNow` may, and is only for people to read. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. The only time that decisions may compare. */
  now(): number;
  /** The time of day, for documents, logs, and the age of a consistency token, where an hour more or less does no harm. */
  wallNow(): Date;
  /** Resolves after `delayMs`, or rejects with the signal's reason as soon as it is aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => new Date(),
  sleep: (delayMs, signal) => sleepFor(delayMs, signal, () => {}),
};

/** As `systemClock`, but what sleeps by it does not keep the process alive: for loops inside a library. */
export const backgroundClock: Clock = {
  ...systemClock,
  sleep: (delayMs, signal) => sleepFor(delayMs, signal, (timer) => timer.unref()),
};

function sleepFor(
  delayMs: number,
  signal: AbortSignal,
  onTimer: (timer: NodeJS.Timeout) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, delayMs);
    onTimer(timer);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** A number in [0, 1). The only randomness of the project that is not cryptographic. */
export const systemRandom = (): number => Math.random();
