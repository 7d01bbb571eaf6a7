/** Nothing should put a password into a reason; a driver that quotes a connection string would. */
export function withoutPasswords(text: string): string {
  return text
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/]*@/gi, '$1:***@')
    .replace(/\b(password\s*=\s*)('[^']*'|\S+)/gi, '$1***');
}
