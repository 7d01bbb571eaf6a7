// What is known of an open pair of parentheses or brackets, as bits, because there is a number for every pair.

/** The WITH list of this level is not over. */
export const inWith = 1;
/** The body of a WITH query or of COPY: its first word may be INSERT, UPDATE, DELETE or MERGE. */
export const isBody = 2;
/** After GROUP BY, where ROLLUP and CUBE are grammar. */
export const inGroupBy = 4;
/** The arguments of SUBSTRING or OVERLAY, where FOR is grammar and a word after it a column. */
export const hasFor = 8;
/** DISTINCT ON (…) and OPERATOR(…), after which an expression begins; after other parentheses none does. */
export const isPrefix = 16;
/** The arguments of set_config, of which the last says for how long. */
export const isSetConfig = 32;
