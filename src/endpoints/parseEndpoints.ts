// Text of `endpoints.json` in, a checked document out. Hand-written, so that the router needs no
// validation library inside the applications that embed it.
//
// Invariant: what this returns has every field of the shape, each within its bounds; whatever else the
// text holds is dropped. Unknown fields are no error: an application embeds an older router than the
// operator that publishes, and a field added within version 1 must not take it down.

import {
  type Endpoint,
  type EndpointsDocument,
  maxHoldMs,
  type PrimaryEndpoint,
  type ReplicaEndpoint,
  type SwitchoverAnnouncement,
} from './endpointsDocument.ts';
import { isHold, wordPattern } from './switchoverSetting.ts';

/** Why a text is no endpoints document. `path` is where in it, `expected` is what should be there. */
export class EndpointsParseError extends Error {
  override readonly name = 'EndpointsParseError';
  readonly path: string;
  readonly expected: string;

  constructor(path: string, expected: string, found: string) {
    super(`endpoints document: ${path === '' ? '' : `${path}: `}expected ${expected}, found ${found}`);
    this.path = path;
    this.expected = expected;
  }
}

/** A ConfigMap holds 1 MiB at most, so a longer text did not come from one. */
export const maxEndpointsLength = 1024 * 1024;

/** Throws `EndpointsParseError` on anything but a complete document of version 1. */
export function parseEndpoints(text: string): EndpointsDocument {
  if (text.trim() === '') throw new EndpointsParseError('', 'a JSON object', 'nothing');
  if (text.length > maxEndpointsLength) {
    throw new EndpointsParseError('', `at most ${maxEndpointsLength} characters`, `${text.length}`);
  }
  const root = readObject(parseJson(text), '');
  readField(root, 'version', '', readVersion);
  const document: EndpointsDocument = {
    version: 1,
    topology: readField(root, 'topology', '', readTopology),
    epoch: readField(root, 'epoch', '', readCount),
    generation: readField(root, 'generation', '', readCount),
    timeline: readField(root, 'timeline', '', orNull(readCount)),
    publishedAt: readField(root, 'publishedAt', '', readTimestamp),
    primary: readField(root, 'primary', '', orNull(readPrimary)),
    replicas: readField(root, 'replicas', '', readReplicas),
    poolers: readField(root, 'poolers', '', readPoolers),
    routing: readField(root, 'routing', '', readRouting),
    ...readSwitchover(root),
  };
  checkNames(document);
  return document;
}

type Fields = Readonly<Record<string, unknown>>;
type Read<T> = (value: unknown, path: string) => T;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new EndpointsParseError('', 'valid JSON', describe(text));
  }
}

function readVersion(value: unknown, path: string): 1 {
  return value === 1 ? 1 : refuse(path, 'version 1, the one this release reads', value);
}

function readTopology(value: unknown, path: string): EndpointsDocument['topology'] {
  const fields = readObject(value, path);
  return {
    namespace: readField(fields, 'namespace', path, readName),
    name: readField(fields, 'name', path, readName),
    systemIdentifier: readField(fields, 'systemIdentifier', path, orNull(readSystemIdentifier)),
  };
}

function readEndpoint(value: unknown, path: string): Endpoint {
  const fields = readObject(value, path);
  return {
    host: readField(fields, 'host', path, readHost),
    port: readField(fields, 'port', path, readPort),
  };
}

function readPrimary(value: unknown, path: string): PrimaryEndpoint {
  const fields = readObject(value, path);
  return {
    name: readField(fields, 'name', path, readName),
    ...readEndpoint(value, path),
    zone: readField(fields, 'zone', path, orNull(readText)),
  };
}

function readReplica(value: unknown, path: string): ReplicaEndpoint {
  const fields = readObject(value, path);
  return {
    ...readPrimary(value, path),
    weight: readField(fields, 'weight', path, readAmount),
    routable: readField(fields, 'routable', path, readBoolean),
    reason: readField(fields, 'reason', path, orNull(readText)),
    lagSeconds: readField(fields, 'lagSeconds', path, orNull(readAmount)),
    lagBytes: readField(fields, 'lagBytes', path, orNull(readAmount)),
  };
}

function readReplicas(value: unknown, path: string): readonly ReplicaEndpoint[] {
  if (!Array.isArray(value)) return refuse(path, 'a list', value);
  return value.map((item, index) => readReplica(item, `${path}[${index}]`));
}

function readPoolers(value: unknown, path: string): EndpointsDocument['poolers'] {
  const fields = readObject(value, path);
  return {
    readWrite: readField(fields, 'readWrite', path, orNull(readEndpoint)),
    readOnly: readField(fields, 'readOnly', path, orNull(readEndpoint)),
  };
}

function readRouting(value: unknown, path: string): EndpointsDocument['routing'] {
  const fields = readObject(value, path);
  const maxLagSeconds = readField(fields, 'maxLagSeconds', path, readAmount);
  const resumeLagSeconds = readField(fields, 'resumeLagSeconds', path, readAmount);
  if (resumeLagSeconds > maxLagSeconds) {
    refuse(`${path}.resumeLagSeconds`, `at most maxLagSeconds (${maxLagSeconds})`, resumeLagSeconds);
  }
  const fallbackToPrimary = readField(fields, 'fallbackToPrimary', path, readBoolean);
  return { maxLagSeconds, resumeLagSeconds, fallbackToPrimary };
}

/** Left out when none is announced, as the operators before did who knew of none. */
function readSwitchover(root: Fields): Pick<EndpointsDocument, 'switchover'> {
  if (root['switchover'] === undefined || root['switchover'] === null) return {};
  return { switchover: readField(root, 'switchover', '', readAnnouncement) };
}

function readAnnouncement(value: unknown, path: string): SwitchoverAnnouncement {
  const fields = readObject(value, path);
  return {
    to: readField(fields, 'to', path, readName),
    id: readField(fields, 'id', path, readWord),
    holdMs: readField(fields, 'holdMs', path, readHold),
  };
}

function readWord(value: unknown, path: string): string {
  const text = readText(value, path);
  return wordPattern.test(text) ? text : refuse(path, 'one word', value);
}

function readHold(value: unknown, path: string): number {
  const isGood = typeof value === 'number' && isHold(value);
  return isGood ? value : refuse(path, `a whole number from 1 to ${maxHoldMs}`, value);
}

/** Two endpoints of one name would make a verdict about one of them hit the other. */
function checkNames(document: EndpointsDocument): void {
  const seen = new Set(document.primary === null ? [] : [document.primary.name]);
  for (const [index, { name }] of document.replicas.entries()) {
    if (seen.has(name)) refuse(`replicas[${index}].name`, 'a name of its own', name);
    seen.add(name);
  }
}

function readObject(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(path, 'an object', value);
  }
  return value as Fields;
}

function readField<T>(fields: Fields, key: string, path: string, read: Read<T>): T {
  const fieldPath = path === '' ? key : `${path}.${key}`;
  return read(Object.hasOwn(fields, key) ? fields[key] : undefined, fieldPath);
}

function orNull<T>(read: Read<T>): Read<T | null> {
  return (value, path) => (value === null ? null : read(value, path));
}

/** Longest legal DNS name; names and zones of Kubernetes are no longer than that either. */
const maxTextLength = 253;

function readText(value: unknown, path: string): string {
  if (typeof value !== 'string') return refuse(path, 'text', value);
  return value;
}

function readName(value: unknown, path: string): string {
  const text = readText(value, path);
  return text !== '' && text.length <= maxTextLength ? text : refuse(path, 'a name', value);
}

// No slash: the driver would take `/tmp` for the folder of a unix socket and talk to whatever is there.
const hostPattern = /^[A-Za-z0-9._:-]+$/;

function readHost(value: unknown, path: string): string {
  const text = readText(value, path);
  const isHost = hostPattern.test(text) && text.length <= maxTextLength;
  return isHost ? text : refuse(path, 'a host name or an IP address', value);
}

function readPort(value: unknown, path: string): number {
  const isPort = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
  return isPort ? value : refuse(path, 'a port number from 1 to 65535', value);
}

function readCount(value: unknown, path: string): number {
  const isCount = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  return isCount ? value : refuse(path, 'a whole number from 0 on', value);
}

function readAmount(value: unknown, path: string): number {
  const isAmount = typeof value === 'number' && Number.isFinite(value) && value >= 0;
  return isAmount ? value : refuse(path, 'a number from 0 on', value);
}

function readBoolean(value: unknown, path: string): boolean {
  return typeof value === 'boolean' ? value : refuse(path, 'true or false', value);
}

/** PostgreSQL prints it as an unsigned 64-bit number; as a JSON number it would lose digits. */
function readSystemIdentifier(value: unknown, path: string): string {
  const text = readText(value, path);
  return /^[0-9]{1,20}$/.test(text) ? text : refuse(path, 'the digits of a system identifier', value);
}

const timestampPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

function readTimestamp(value: unknown, path: string): string {
  const text = readText(value, path);
  const isTimestamp = timestampPattern.test(text) && !Number.isNaN(Date.parse(text));
  return isTimestamp ? text : refuse(path, 'an RFC 3339 timestamp', value);
}

function refuse(path: string, expected: string, value: unknown): never {
  throw new EndpointsParseError(path, expected, describe(value));
}

/** Enough of a value to recognise it in a log line. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
