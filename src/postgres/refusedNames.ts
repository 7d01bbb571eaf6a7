/** Names of parameters that PostgreSQL complains about while it reads its settings. Source: guc.c, guc-file.l. */
export function refusedNames(log: string): readonly string[] {
  const patterns = [
    /unrecognized configuration parameter "([^"]+)"/g,
    /invalid value for parameter "([^"]+)"/g,
    /parameter "([^"]+)" (?:requires|cannot be)/g,
    /[^ ]+ [^ ]* ?is outside the valid range for parameter "([^"]+)"/g,
  ];
  const found = patterns.flatMap((pattern) => [...log.matchAll(pattern)].map((match) => match[1] ?? ''));
  return [...new Set(found)];
}
