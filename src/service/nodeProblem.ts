const oldest = [24, 11] as const;

/** Why the program cannot run on this version of Node (`24.11.0`), or null. Older ones would fail somewhere, and not say why. */
export function nodeProblem(version: string): string | null {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return null;
  return `replica-manager needs Node ${oldest.join('.')} or newer, this is ${version}: run it with a newer one`;
}
