// Reads the server's log from its standard error. In: lines as they come. Out: records, one per report.
//
// PostgreSQL indents the further lines of a message with a tab, and gives DETAIL, HINT, CONTEXT and
// STATEMENT a prefix of their own; both belong to the record before them. What has no prefix at all was
// said before the settings were read, or by another program.
//
// Invariant: no password and no verifier leaves this file.

/** Begins each report: milliseconds, process, kind of process, SQLSTATE, then user and database, which may hold anything. */
export const logLinePrefix = '\u00a7%n|%p|%b|%e|%u|%d\u00a7 ';

export interface LogRecord {
  readonly severity: string;
  readonly message: string;
  /** RFC 3339, from the server's clock; null when the server had not read its settings yet. */
  readonly at: string | null;
  readonly process: number | null;
  readonly backend: string | null;
  readonly sqlState: string | null;
  readonly user: string | null;
  readonly database: string | null;
  readonly detail?: string;
  readonly hint?: string;
  readonly context?: string;
  readonly statement?: string;
}

const prefixPattern = /^§([0-9.]+)\|([0-9]+)\|([^|]*)\|([0-9A-Z]{5})\|([^|]*)\|([^§]*)§ ?(.*)$/s;
const severityPattern = /^([A-Z]+[0-9]?): {1,2}(.*)$/s;
const partNames = { DETAIL: 'detail', HINT: 'hint', CONTEXT: 'context', STATEMENT: 'statement' } as const;

/** A report longer than this is cut: one statement with a megabyte of literals must not fill the pod's log. */
const maxTextCharacters = 8_192;
/** A line without end is given up at this length. */
const maxPartialCharacters = 1_048_576;

type Part = (typeof partNames)[keyof typeof partNames];
type Draft = { -readonly [Key in keyof LogRecord]: LogRecord[Key] };

/** Takes chunks of text and gives back the reports that are complete. */
export class ErrorLogReader {
  #partial = '';
  #draft: Draft | undefined;
  #target: 'message' | Part = 'message';

  /** A report is complete when the next begins; `drain` gives out the one that waits for that. */
  push(chunk: string): LogRecord[] {
    const lines = (this.#partial + chunk).split('\n');
    this.#partial = (lines.pop() ?? '').slice(0, maxPartialCharacters);
    return lines.flatMap((line) => this.#line(line));
  }

  /** What has been said so far, for when the server falls silent or ends. */
  drain(): LogRecord[] {
    const done = this.#finish();
    this.#draft = undefined;
    return done;
  }

  #line(line: string): LogRecord[] {
    if (line.startsWith('\t') && this.#draft !== undefined) {
      this.#add(this.#target, `\n${line.slice(1)}`);
      return [];
    }
    if (line.trim() === '') return [];
    const next = readLine(line);
    const part = partNames[next.severity as keyof typeof partNames] as Part | undefined;
    if (part !== undefined && this.#draft !== undefined && this.#draft.process === next.process) {
      this.#target = part;
      this.#add(part, next.message);
      return [];
    }
    const done = this.#finish();
    this.#draft = next;
    this.#target = 'message';
    return done;
  }

  #add(target: 'message' | Part, text: string): void {
    if (this.#draft === undefined) return;
    const so = (this.#draft[target] ?? '') + text;
    this.#draft[target] = so.slice(0, maxTextCharacters);
  }

  #finish(): LogRecord[] {
    return this.#draft === undefined ? [] : [withoutSecrets(this.#draft)];
  }
}

function readLine(line: string): Draft {
  const prefix = prefixPattern.exec(line);
  const rest = prefix?.[7] ?? line;
  const severity = severityPattern.exec(rest);
  return {
    severity: severity?.[1] ?? 'LOG',
    message: (severity?.[2] ?? rest).slice(0, maxTextCharacters),
    at: prefix?.[1] === undefined ? null : new Date(Number(prefix[1]) * 1000).toISOString(),
    process: prefix?.[2] === undefined ? null : Number(prefix[2]),
    backend: prefix?.[3] || null,
    sqlState: prefix?.[4] === undefined || prefix[4] === '00000' ? null : prefix[4],
    user: prefix?.[5] || null,
    database: prefix?.[6] || null,
  };
}

function withoutSecrets(draft: Draft): LogRecord {
  const clean: Draft = { ...draft, message: maskSecrets(draft.message) };
  for (const part of Object.values(partNames)) {
    const text = draft[part];
    if (text !== undefined) clean[part] = maskSecrets(text);
  }
  return clean;
}

const verifierPattern = /SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+/g;
const md5Pattern = /\bmd5[0-9a-f]{32}\b/g;
/** A quoted text after the word, in SQL (`PASSWORD 'x'`, `password = $$x$$`) and in connection strings. */
const passwordPattern =
  /(password\s*=?\s*)(E?'(?:[^'\\]|''|\\.)*'?|\$([a-z_]*)\$[\s\S]*?(?:\$\3\$|$)|[^\s'"$;,]\S*)/gi;

/** Text in which passwords and verifiers are replaced by `***`. */
export function maskSecrets(text: string): string {
  const masked = text.replace(verifierPattern, '***').replace(md5Pattern, '***');
  if (!/password/i.test(masked)) return masked;
  return masked.replace(passwordPattern, (whole: string, before: string, value: string) =>
    isProse(before, value) ? whole : `${before}***`,
  );
}

/** `password authentication failed` is a sentence, not a secret: unquoted and without an equals sign. */
function isProse(before: string, value: string): boolean {
  return !before.includes('=') && !/^(E?'|\$)/.test(value);
}
