/**
 * Nothing should put a password into a reason; a driver that quotes a connection string would. A password may hold `/`, `:` and `@`
 * that nobody has encoded, so in a URL everything up to the last `@` of the word goes. Who reads it loses a part of a path at most.
 */
export function withoutPasswords(text: string): string {
  return text
    .replace(/\/\/([^\s:/@]*:)?\S*@/g, '//$1***@')
    .replace(/\b(\w*password\s*=\s*)('(?:\\.|[^'\\])*'|\S+)/gi, '$1***');
}
