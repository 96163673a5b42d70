import { MOST_KEPT, kept, ofCell, ofReply } from '../findings';
import { receipt } from './samples';

const denied = (kind: string, rule: string) => ({ type: 'denied', cell: 'request-1', kind, rule });
const reply = (receipts: unknown, denials: unknown) => ({ cleanroom: { receipts, denied: denials } });

test('findings are the receipts and denials of a reply', () => {
  const metadata = reply([receipt(), receipt({ number: 2, suppressed: 4 })], [denied('withheld', 'policy')]);
  const found = ofReply('request-1', 'now', metadata);
  expect(found).toMatchObject({ request: 'request-1', released: 2, suppressed: 5 });
  expect(found?.denials).toEqual([{ kind: 'withheld', rule: 'policy', times: 1, questions: [] }]);
});

test('a model that was fitted has not left', () => {
  const fit = receipt({ number: 2, output_class: 'model', cells: 0, suppressed: 0 });
  const file = receipt({ number: 3, output_class: 'model', cells: 144, suppressed: 0 });
  expect(ofReply('r', 'now', reply([fit, file], []))).toMatchObject({ fitted: 1, released: 1 });
});

test('the same denial is counted, not repeated', () => {
  const metadata = reply([], [denied('refusal', 'limits'), denied('withheld', 'policy'), denied('refusal', 'limits')]);
  expect(ofReply('r', 'now', metadata)?.denials).toMatchObject([
    { kind: 'refusal', rule: 'limits', times: 2 },
    { kind: 'withheld', rule: 'policy', times: 1 }
  ]);
});

test('a cell that asked nothing has none, and neither has the reply of another kernel', () => {
  for (const metadata of [reply([], []), {}, undefined, { cleanroom: 3 }, reply('x', { length: 2 })]) {
    expect(ofReply('r', 'now', metadata)).toBeNull();
  }
});

test('what is kept in a file is read back the same, and bounded', () => {
  const receipts = Array.from({ length: 100 }, (_, i) => receipt({ number: i + 1 }));
  const found = ofReply('r', 'now', reply(receipts, [denied('withheld', 'policy')]));
  const back = ofCell(JSON.parse(JSON.stringify(kept(found!))));
  expect(back?.receipts).toHaveLength(MOST_KEPT);
  expect(back?.receipts[MOST_KEPT - 1].number).toBe(100);
  expect({ ...back, receipts: [] }).toEqual({ ...found, receipts: [] });
});

test('a file can hold anything, and gets no badge for it', () => {
  const good = kept(ofReply('r', 'now', reply([receipt()], []))!);
  const broken: unknown[] = [
    null,
    'released 3',
    [],
    { ...good, released: '3' },
    { ...good, released: -1 },
    { ...good, fitted: null },
    { ...good, suppressed: 0.5 },
    { ...good, request: undefined },
    { ...good, released: 0 }
  ];
  for (const metadata of broken) {
    expect(ofCell(metadata)).toBeNull();
  }
  const partly = ofCell({ ...good, receipts: [{ title: 1 }, null, receipt({ rules: [{}] as never })], denials: [{}] });
  expect(partly).toMatchObject({ receipts: [], denials: [] });
});
