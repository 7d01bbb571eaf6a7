export type { Credentials } from './sources/credentialsDirectory.ts';
