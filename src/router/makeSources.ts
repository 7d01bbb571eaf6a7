import type { RouterSettings } from './routerOptions.ts';
import { CredentialsDirectory, fixedCredentials } from './sources/credentialsDirectory.ts';
import { FileSource } from './sources/fileSource.ts';
import type { TopologySource } from './sources/topologySource.ts';

/** Those of the settings; without any, the mounted file. */
export function makeSources(settings: RouterSettings): readonly TopologySource[] {
  const { sources, endpointsFile, credentials, credentialsDir, tls, log } = settings;
  if (sources.length > 0) return sources;
  const login =
    credentials === undefined
      ? new CredentialsDirectory(credentialsDir, tls === 'verify-full', log)
      : fixedCredentials(credentials);
  return [new FileSource({ path: endpointsFile, credentials: login, log })];
}
