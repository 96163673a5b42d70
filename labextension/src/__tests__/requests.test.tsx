import * as React from 'react';

import { BadgeView } from '../badgeview';
import { BudgetView } from '../budget';
import { askCode } from '../code';
import { ofCell, ofReply } from '../findings';
import { Standing } from '../protocol';
import { RequestsView } from '../requests';
import { button, click, drawn } from './drawing';
import { kernel, receipt, WELCOME } from './samples';

const QUESTION = 'ab'.repeat(20);
const standing = (more: Partial<Standing> = {}): Standing => ({
  type: 'standing',
  number: 1,
  question: QUESTION,
  title: 'mean of age',
  reason: 'table 3',
  state: 'asked',
  comment: '',
  asked: '2026-01-01T10:00:00Z',
  decided: '',
  expires: '2026-01-15T10:00:00Z',
  agreed: 0,
  checkers: 1,
  cell: 'here',
  job: '',
  result: 0,
  ...more
});

const denied = (question: string) => ({
  cleanroom: { receipts: [], denied: [{ type: 'denied', cell: 'c', kind: 'withheld', rule: 'policy', question }] }
});

test('under a withheld answer the owner can be asked, for the very question', () => {
  const asked: string[] = [];
  const findings = ofReply('r', 'now', denied(QUESTION))!;
  const node = drawn(
    <BadgeView findings={findings} fromFile={false} isOpen={true} onToggle={() => {}} onAsk={one => asked.push(one)} />
  );
  click(button(node, 'Ask the owner'));
  expect(asked).toEqual([QUESTION]);
  expect(askCode(asked[0])).toBe('request = room.request_release("abababababababab", "")');
});

test('suppressed cells can be asked for, and what a file says cannot', () => {
  const findings = ofReply('r', 'now', { cleanroom: { receipts: [receipt({ question: QUESTION })], denied: [] } })!;
  const badge = (fromFile: boolean) =>
    drawn(<BadgeView findings={findings} fromFile={fromFile} isOpen={true} onToggle={() => {}} onAsk={() => {}} />);
  expect(button(badge(false), 'Ask the owner for the suppressed')).toBeDefined();
  expect(button(badge(true), 'Ask')).toBeUndefined();
});

test('nothing but a digest gets into code', () => {
  expect(ofReply('r', 'now', denied('"); import os #'))!.denials[0].questions).toEqual([]);
  const good = { request: 'r', time: 't', fitted: 0, released: 0, suppressed: 0, receipts: [] };
  const file = { ...good, denials: [{ kind: 'withheld', rule: 'policy', times: 1, questions: ['x")', QUESTION] }] };
  expect(ofCell(file)!.denials[0].questions).toEqual([QUESTION]);
  const before = { ...good, denials: [{ kind: 'withheld', rule: 'policy', times: 1 }] };
  expect(ofCell(before)!.denials[0].questions).toEqual([]);
});

test('an approved request offers its value, a returned one its comment, as text', () => {
  const inserted: string[] = [];
  const requests = [
    standing({ number: 2, state: 'approved' }),
    standing({ state: 'returned', comment: '<i>which table?</i>', cell: 'gone' })
  ];
  const node = drawn(
    <RequestsView
      requests={requests}
      has={cell => cell === 'here'}
      onJump={() => {}}
      onInsert={code => inserted.push(code)}
    />
  );
  click(button(node, 'Insert its value'));
  expect(inserted).toEqual(['room.request(2).result()']);
  expect(node.textContent).toContain('<i>which table?</i>');
  expect([...node.querySelectorAll('button')].filter(one => one.textContent === 'Go to its cell')).toHaveLength(1);
});

test('the budget counts what this session had, and what all sessions had of what the policy allows', () => {
  const settings = [
    { name: 'denials', value: 60, help: '' },
    { name: 'suppressed_cells', value: 3000, help: '' }
  ];
  const state = {
    kernel: kernel(),
    description: { ...WELCOME, settings },
    receipts: [receipt({ cells: 5, suppressed: 2 }), receipt({ number: 2, output_class: 'model', cells: 0 })],
    denied: [{ request: 'r', time: '', kind: 'withheld' as const, rule: 'policy', times: 3, questions: [] }],
    requests: [],
    budget: { denials: 50, suppressed_cells: 12, days: 30 },
    failure: ''
  };
  const node = drawn(<BudgetView state={state} />);
  const text = node.textContent!;
  expect(text).toContain('Numbers5');
  expect(text).toContain('Withheld3');
  expect(text).toContain('50 of 60 withheld answers in 30 days');
  expect(text).toContain('12 of 3,000 suppressed cells');
  const [denials, cells] = [...node.querySelectorAll<HTMLElement>('.crk-Used')];
  expect([denials.dataset.level, cells.dataset.level]).toEqual(['low', undefined]);
  expect(drawn(<BudgetView state={{ ...state, budget: null }} />).querySelector('.crk-Used')).toBeNull();
});
