// What the catalog of a database knows and the text of a statement does not: which functions of users only
// read, which views write when they are read, which tables no standby can read, which relations are sequences.
//
// Asking is two steps, so that the second one can be tested without a server: `readCatalog` sends three
// statements, all of them reads, and `judgeCatalog` makes settings of the rows. The caller decides how often.

import type { Query, Row } from '../../postgres/query.ts';
import { mergeSettings } from './classifier.ts';
import { classify } from './classify.ts';
import { type ClassifySettings, NameList } from './classifySettings.ts';
import { FunctionBook } from './functionBook.ts';

// A function that takes one row can be called like a column of it, without parentheses.
const functionsSql = `
  select n.nspname as schema, p.proname as name, bool_or(p.provolatile = 'v') as "isVolatile",
         bool_or(p.provolatile = 'v' and p.pronargs = 1 and t.typtype = 'c') as "isColumn"
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  left join pg_catalog.pg_type t on t.oid = p.proargtypes[0]
  where n.nspname <> 'pg_catalog' and p.prokind in ('f', 'a', 'w')
  group by 1, 2`;

// Policies run for everyone who reads the table and is not its owner.
const viewsSql = `
  select n.nspname as schema, c.relname as name, pg_catalog.pg_get_viewdef(c.oid) as body
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'v' and n.nspname not in ('pg_catalog', 'information_schema')
  union all
  select n.nspname, c.relname, 'select ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid)
  from pg_catalog.pg_policy p
  join pg_catalog.pg_class c on c.oid = p.polrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where p.polqual is not null and p.polcmd in ('r', '*')`;

// A standby cannot read what is unlogged, and is told of 32 values of a sequence at once.
const primaryOnlySql = `
  select n.nspname as schema, c.relname as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'S' or (c.relpersistence = 'u' and c.relkind = 'r')`;

/** Stable functions of extensions that run the text that they are given, which may call anything. */
const runsText = new NameList(['crosstab*', 'connectby', 'xpath_table', 'dblink*']);

export interface CatalogRows {
  readonly functions: readonly Row[];
  readonly views: readonly Row[];
  /** Unlogged tables and all sequences. */
  readonly primaryOnly: readonly Row[];
}

/** Asks one server, best a replica. Give the settings of the team, so that views may use what it allows. */
export async function readCatalog(query: Query, settings: ClassifySettings = {}): Promise<ClassifySettings> {
  const functions = await query(functionsSql);
  const views = await query(viewsSql);
  const { rows: primaryOnly } = await query(primaryOnlySql);
  return judgeCatalog({ functions: functions.rows, views: views.rows, primaryOnly }, settings);
}

/** The pure half. What it gives is to be merged with the settings of the team, see `Classifier.useCatalog`. */
export function judgeCatalog(rows: CatalogRows, settings: ClassifySettings = {}): ClassifySettings {
  const isTrusted = (row: Row) => row['isVolatile'] !== true && !runsText.has(text(row, 'name'));
  const doubted = new Set(rows.functions.filter((row) => !isTrusted(row)).map((row) => row['name']));
  const trusted = rows.functions.filter(isTrusted);
  const allowFunctions = [
    ...trusted.map(qualifiedName),
    ...trusted.filter((row) => !doubted.has(row['name'])).map(bareName),
  ];
  const builtins = new FunctionBook({});
  // A volatile function that shares its name with a harmless built-in one may be the one that is meant.
  const denyFunctions = rows.functions
    .filter((row) => !isTrusted(row) && builtins.judge(undefined, text(row, 'name'), true) === undefined)
    .map(bareName);
  const known: ClassifySettings = {
    allowFunctions: [...new Set(allowFunctions)],
    denyFunctions: [...new Set(denyFunctions)],
    primaryRelations: [
      ...rows.functions.filter((row) => row['isColumn'] === true).map(bareName),
      ...rows.primaryOnly.flatMap((row) => [bareName(row), qualifiedName(row)]),
    ],
  };
  return { ...known, primaryRelations: [...new Set(writingRelations(rows.views, known, settings))] };
}

/** A view may read another one that writes, so each one found is a reason to look at the others again. */
function writingRelations(
  views: readonly Row[],
  known: ClassifySettings,
  settings: ClassifySettings,
): string[] {
  const found = [...(known.primaryRelations ?? [])];
  let rest = views;
  for (;;) {
    const asked = mergeSettings(settings, { ...known, primaryRelations: found });
    const writing = rest.filter((row) => classify(text(row, 'body'), asked).route !== 'replica');
    if (writing.length === 0) return found;
    found.push(...writing.flatMap((row) => [bareName(row), qualifiedName(row)]));
    rest = rest.filter((row) => !writing.includes(row));
  }
}

/** As it would be written in SQL: names that need no quotes get none. */
function bareName(row: Row): string {
  return quoted(text(row, 'name'));
}

function qualifiedName(row: Row): string {
  return `${quoted(text(row, 'schema'))}.${bareName(row)}`;
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function text(row: Row, column: string): string {
  return String(row[column]);
}
