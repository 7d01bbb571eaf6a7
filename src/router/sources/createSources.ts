// The options of a replica manager in, the sources of its topology out, the preferred one first.

import type { Log } from '../../lib/log.ts';
import { type CredentialsOptions, credentialsFrom } from './credentialsDirectory.ts';
import { FileSource } from './fileSource.ts';
import { fileVersion } from './fileVersion.ts';
import { httpSource } from './httpSource.ts';
import { withLogin } from './staticSource.ts';
import type { TopologySource } from './topologySource.ts';

export interface SourceSettings extends CredentialsOptions {
  /** Instead of those that the rest describes; `credentials` are for those that have none. */
  readonly sources?: readonly TopologySource[] | undefined;
  /** Stream of a service, preferred to the file beside it. */
  readonly endpointsUrl?: string | undefined;
  readonly endpointsFile: string;
  readonly log: Log;
}

export function createSources(settings: SourceSettings, random: () => number): readonly TopologySource[] {
  const { sources = [], endpointsUrl, endpointsFile, log } = settings;
  const { credentials } = settings;
  if (sources.length > 0)
    return credentials === undefined ? sources : sources.map((it) => withLogin(it, credentials));
  const file = new FileSource({ path: endpointsFile, credentials: credentialsFrom(settings, log), log });
  if (endpointsUrl === undefined) return [file];
  const stream = httpSource({ ...settings, url: endpointsUrl, random });
  // Mounts are there before a process starts. Without one, a file that is missing is no problem to tell for ever.
  return fileVersion(endpointsFile) === undefined ? [stream] : [stream, file];
}
