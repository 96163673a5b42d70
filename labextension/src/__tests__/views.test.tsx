import * as React from 'react';
import { createRoot } from 'react-dom/client';

import { BadgeView } from '../badgeview';
import { ofReply } from '../findings';
import { PAGE, ReleasesView } from '../releases';
import { SessionView } from '../session';
import { TablesView } from '../tables';
import { IRoomState } from '../tokens';
import { kernel, receipt, WELCOME } from './samples';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

function drawn(element: JSX.Element): HTMLElement {
  const node = document.body.appendChild(document.createElement('div'));
  React.act(() => createRoot(node).render(element));
  return node;
}

function click(node: Element | null): void {
  React.act(() => node!.dispatchEvent(new MouseEvent('click', { bubbles: true })));
}

function type(node: HTMLElement, text: string): void {
  const input = node.querySelector('input')!;
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')!.set!;
  React.act(() => {
    set.call(input, text);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

const state = (more: Partial<IRoomState>): IRoomState => ({
  kernel: kernel(),
  description: WELCOME,
  receipts: [],
  denied: [],
  requests: [],
  budget: null,
  failure: '',
  ...more
});

describe('releases', () => {
  const many = Array.from({ length: 5000 }, (_, i) => receipt({ number: i + 1, title: `question ${i + 1}` }));

  test('of thousands, the newest are drawn and all can be found', () => {
    const node = drawn(<ReleasesView state={state({ receipts: many })} has={() => true} onJump={() => {}} />);
    expect(node.querySelectorAll('li')).toHaveLength(PAGE);
    expect(node.querySelector('li')!.textContent).toContain('#5000 question 5000');
    click([...node.querySelectorAll('button')].find(button => button.textContent!.startsWith('Show'))!);
    expect(node.querySelectorAll('li')).toHaveLength(3 * PAGE);
    type(node, '4321');
    expect([...node.querySelectorAll('li')].map(one => one.textContent)).toEqual([
      expect.stringContaining('#4321 question 4321')
    ]);
  });

  test('denials stand among them by time, and lead to their cell', () => {
    const denied = [
      { request: 'r', time: '2026-01-01T10:00:30.5Z', kind: 'refusal', rule: 'limits', times: 1, questions: [] } as const
    ];
    const receipts = [receipt(), receipt({ number: 2, time: '2026-01-01T10:01:00Z', cell: 'gone' })];
    const jumped: string[] = [];
    const node = drawn(
      <ReleasesView
        state={state({ receipts, denied })}
        has={request => request !== 'gone'}
        onJump={request => jumped.push(request)}
      />
    );
    const rows = [...node.querySelectorAll('li')];
    expect(rows.map(row => row.querySelector('summary')!.textContent)).toEqual([
      expect.stringContaining('#2'),
      expect.stringContaining('refused: limits'),
      expect.stringContaining('#1')
    ]);
    click(rows[1].querySelector('button'));
    expect(jumped).toEqual(['r']);
  });
});

test('what a server sends is text, never markup', async () => {
  const hostile = receipt({ title: '<img src=x onerror=alert(1)>', rules: ['<script>1</script>: x'] });
  const node = drawn(<ReleasesView state={state({ receipts: [hostile] })} has={() => true} onJump={() => {}} />);
  const details = node.querySelector('details')!;
  await React.act(async () => {
    details.open = true;
    await new Promise(resolve => setTimeout(resolve)); // for the browser to say that it was toggled
  });
  expect(node.textContent).toContain('<img src=x');
  expect(node.querySelector('img, script')).toBeNull();
});

test('a click on a table or a column inserts it', () => {
  const inserted: string[] = [];
  const node = drawn(<TablesView description={WELCOME} onInsert={code => inserted.push(code)} />);
  expect(node.querySelectorAll('summary')[0].textContent).toBe('patients 100-999 patients');
  expect(node.querySelectorAll('summary')[1].textContent).toBe('wards public');
  node.querySelectorAll('.crk-Table:first-of-type button').forEach(click);
  expect(inserted).toEqual([
    'room["patients"]',
    'room["patients"]["id"]',
    'room["patients"]["age"]',
    'room["patients"]["sex"]'
  ]);
});

test('a problem is said, with a way to mend it where there is one', () => {
  const revoked = { problem: 'revoked', message: 'The owner has revoked your access.', reason: '' } as const;
  const shown = drawn(
    <SessionView state={state({ kernel: kernel({ problem: revoked, session: null }) })} onConnect={() => {}} />
  );
  expect(shown.querySelector('[role=alert]')!.textContent).toContain(revoked.message);
  expect(shown.querySelector('button')!.textContent).toContain('Connect');
  const offline = { problem: 'offline', message: 'No answer.', reason: '' } as const;
  const other = drawn(
    <SessionView state={state({ kernel: kernel({ problem: offline, session: null }) })} onConnect={() => {}} />
  );
  expect(other.querySelector('button')).toBeNull();
});

test('a room without confinement says so', () => {
  const node = drawn(<SessionView state={state({ kernel: kernel({ tier: 'none' }) })} onConnect={() => {}} />);
  expect(node.textContent).toContain('without confinement');
});

test('a badge tells what it was told by the server from what a file says', () => {
  const findings = ofReply('r', '', { cleanroom: { receipts: [receipt()], denied: [] } })!;
  const badge = (fromFile: boolean, isOpen: boolean) =>
    drawn(<BadgeView findings={findings} fromFile={fromFile} isOpen={isOpen} onToggle={() => {}} onAsk={() => {}} />);
  expect(badge(false, false).querySelector('button')!.getAttribute('aria-label')).toBe(
    'Clean Room: released 1 · 1 cell suppressed. Receipt'
  );
  expect(badge(true, false).querySelector('button')!.getAttribute('aria-label')).toContain('as saved');
  expect(badge(false, true).textContent).toContain('rounded to 0.1');
});
