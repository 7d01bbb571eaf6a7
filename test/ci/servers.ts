// Fetches the PostgreSQL servers that the tests run beside the one of the machine, where they are not there yet: within a test,
// the download would take the time of the test.

import { newerMajors, newerPostgresBinaries } from '../fixtures/newerPostgres.ts';

for (const major of newerMajors) await newerPostgresBinaries(major);
