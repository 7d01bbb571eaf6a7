// A second opinion from PostgreSQL's own grammar: libpg-query gives the syntax tree, and what is in it says
// where the text belongs. It knows the generated sets of functions and shares nothing else with the classifier.
import { loadModule, parseSync } from 'libpg-query';
import { safeFunctions } from '../../../src/router/classify/builtinFunctions.ts';

await loadModule();

const safe = new Set(safeFunctions.trim().split(/\s+/));

export interface Opinion {
  /** Kinds of the statements, as the grammar calls them. */
  readonly statements: readonly string[];
  /** What must not run on a replica. */
  readonly findings: readonly string[];
}

type Node = Readonly<Record<string, unknown>>;

/** Undefined when the grammar does not accept the text. */
export function askParser(sql: string): Opinion | undefined {
  let statements: readonly Node[];
  try {
    statements = (parseSync(sql).stmts ?? []).map(({ stmt }) => stmt as Node);
  } catch {
    return undefined;
  }
  const findings: string[] = [];
  for (const statement of statements) visit(statement, findings);
  return { statements: statements.flatMap((it) => Object.keys(it)), findings };
}

function visit(value: unknown, findings: string[]): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, findings);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      check(key, child, findings);
      visit(child, findings);
    }
  }
}

function check(key: string, child: unknown, findings: string[]): void {
  if (key === 'lockingClause' && Array.isArray(child) && child.length > 0) findings.push('lock');
  if (key === 'intoClause') findings.push('into');
  if (/^(Insert|Update|Delete|Merge)Stmt$/.test(key)) findings.push(key);
  if (key === 'FuncCall') {
    const { funcname } = child as { funcname: { String: { sval: string } }[] };
    const names = funcname.map((it) => it.String.sval);
    const isSafe =
      (names.length === 1 || (names.length === 2 && names[0] === 'pg_catalog')) &&
      safe.has(names.at(-1) ?? '');
    if (!isSafe) findings.push(names.join('.'));
  }
}
