/**
 * Budget: how much this session has had, and what the policy allows.
 */
import * as React from 'react';

import { isFit } from './findings';
import { Facts } from './receipt';
import { IRoomState } from './tokens';

export function BudgetView(props: { state: IRoomState }): JSX.Element {
  const { receipts, denied, description } = props.state;
  const released = receipts.filter(receipt => !isFit(receipt));
  const sum = (of: (one: (typeof receipts)[number]) => number) => released.reduce((total, one) => total + of(one), 0);
  const withheld = denied.filter(one => one.kind === 'withheld').reduce((total, one) => total + one.times, 0);
  const allowed = (name: string) => description?.settings.find(setting => setting.name === name)?.value;
  const denials = allowed('denials');
  const cells = allowed('suppressed_cells');
  const text = (count: number) => count.toLocaleString('en');
  return (
    <>
      <Facts
        rows={[
          ['Numbers', text(sum(one => one.cells))],
          ['Suppressed', text(sum(one => one.suppressed))],
          ['Withheld', text(withheld)]
        ]}
      />
      {denials !== undefined && cells !== undefined && (
        <p className="crk-Quiet">
          In this session, as this browser saw it. In 30 days, over all your sessions, the policy allows{' '}
          {text(Number(denials))} withheld answers and {text(Number(cells))} suppressed cells; after that, new questions
          need the owner.
        </p>
      )}
    </>
  );
}
