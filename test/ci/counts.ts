// Adds up vitest's JSON reports and prints the closing line. Fails when a part failed, when a report
// is missing, or when a test failed, so that a run that executed nothing can never look green.
import { readFileSync } from 'node:fs';

const [, , directory = 'dist/test-results', partsFailed = '0'] = process.argv;
const total = { passed: 0, failed: 0, skipped: 0 };

for (const project of ['fast', 'system']) {
  try {
    const report = JSON.parse(readFileSync(`${directory}/${project}.json`, 'utf8'));
    total.passed += report.numPassedTests;
    total.failed += report.numFailedTests;
    total.skipped += report.numPendingTests + report.numTodoTests;
    if (report.numPassedTests === 0) throw new Error('no test passed');
  } catch (error) {
    console.error(`${project}: ${error instanceof Error ? error.message : String(error)}`);
    total.failed += 1;
  }
}

if (partsFailed !== '0' && total.failed === 0) total.failed = 1;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;
