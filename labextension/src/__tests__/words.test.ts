import { columnCode, tableCode } from '../code';
import { IFindings } from '../findings';
import { explained, isolation, moment, numbers, outcome, role, sizes, summary, values } from '../words';
import { receipt, WELCOME } from './samples';

const [patients] = WELCOME.schema.tables;
const [id, age, sex] = patients.columns;

const findings = (more: Partial<IFindings>): IFindings => ({
  request: 'r',
  time: '',
  fitted: 0,
  released: 0,
  suppressed: 0,
  receipts: [],
  denials: [],
  ...more
});
const withheld = { kind: 'withheld', rule: 'policy', times: 2, questions: [] } as const;
const refusal = { kind: 'refusal', rule: 'limits', times: 1, questions: [] } as const;

test('a badge says all that happened and shows the worst', () => {
  expect(summary(findings({ released: 3, suppressed: 1 }))).toBe('released 3 · 1 cell suppressed');
  expect(summary(findings({ released: 1, denials: [withheld, refusal] }))).toBe('released 1 · withheld 2 · refused 1');
  expect(summary(findings({ fitted: 2, released: 1 }))).toBe('fitted 2 · released 1');
  expect(outcome(findings({ released: 1 }))).toBe('released');
  expect(outcome(findings({ released: 1, denials: [withheld] }))).toBe('withheld');
  expect(outcome(findings({ denials: [withheld, refusal] }))).toBe('refused');
});

test('a denial is explained, a refusal with its rule', () => {
  expect(explained(withheld)).toMatch(/^Withheld \(2 times\)\..*more of them/);
  expect(explained(refusal)).toMatch(/rule “limits”/);
});

test('a column shows what it may hold', () => {
  expect(values(age)).toBe('0 to 120 years');
  expect(values(sex)).toBe('female, male');
  expect(values({ ...age, lower: 1920, upper: 2005, measured_in: '' })).toBe('1920 to 2005');
  expect(values({ ...sex, categories: 'abcdefghij'.split('') })).toBe('a, b, c, d, e, f, g, h … (10 categories)');
  expect(values({ ...age, dtype: 'datetime', lower: 0, upper: 86_400_000_000 })).toBe('1970-01-01 to 1970-01-02');
  expect(values(id)).toBe('');
  expect([role(id), role(age), role({ ...id, role: 'key', one_unit: true })]).toEqual(['unit', '', 'key of one unit']);
});

test('a release is sized in the words of its room', () => {
  expect(sizes(receipt({ output_class: 'frequency, linear', cells: 1, suppressed: 0 }), 'household')).toBe(
    'counts, sums or means · 1 number · 100-999 households'
  );
});

test('a fitted model has no numbers to show', () => {
  const fit = receipt({ output_class: 'model', cells: 0, suppressed: 0 });
  expect(sizes(fit, 'patient')).toBe('fitted model · stays in the room · 100-999 patients');
  expect(numbers(fit)).toMatch(/^none/);
  expect(numbers(receipt())).toBe('3 shown, 1 suppressed');
});

test('what is not known is not made up', () => {
  expect(isolation('new tier')).toBe('new tier');
  expect(moment('no time')).toBe('');
});

test('inserted code is Python, whatever the names', () => {
  expect(tableCode(patients)).toBe('room["patients"]');
  expect(columnCode(patients, { ...age, name: 'a "b"\\' })).toBe('room["patients"]["a \\"b\\"\\\\"]');
});
