// `replica-manager serve`: environment in, exit code out. The same in the image and in an installed library.

import { backgroundClock, systemClock } from '../lib/clock.ts';
import { jsonLog } from './jsonLog.ts';
import { runService } from './runService.ts';
import { readServiceEnvironment } from './serviceEnvironment.ts';

/** By then the last line of the log is written. */
const exitWithinMs = 500;

/** Serves until the process is told to stop. 2 is a wrong configuration, of which every mistake is printed. */
export async function serveCommand(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const settings = readServiceEnvironment(environment);
  if ('problems' in settings) {
    for (const problem of settings.problems) console.error(problem);
    return 2;
  }
  const log = jsonLog(
    settings.logLevel,
    () => systemClock.wallNow(),
    (line) => process.stdout.write(line),
  );
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  await runService(settings, { clock: systemClock, log }, stop.signal);
  // A connection that does not close must not keep the process.
  const patience = backgroundClock.sleep(exitWithinMs, new AbortController().signal);
  void patience.then(() => process.exit(0));
  return 0;
}
