/**
 * Budget: how much this session has had, and what the policy allows.
 */
import * as React from 'react';

import { isFit } from './findings';
import { Facts } from './receipt';
import { IRoomState } from './tokens';

export function BudgetView(props: { state: IRoomState }): JSX.Element {
  const { receipts, denied, description, budget } = props.state;
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
      <p className="crk-Quiet">In this session, as this browser saw it.</p>
      {denials !== undefined && cells !== undefined && budget !== null && (
        <>
          <Used what="withheld answers" used={budget.denials} allowed={Number(denials)} days={budget.days} />
          <Used what="suppressed cells" used={budget.suppressed_cells} allowed={Number(cells)} days={budget.days} />
          <p className="crk-Quiet">Over all your sessions. After that, new questions need the owner.</p>
        </>
      )}
    </>
  );
}

/** How much of a budget is used: the number says it, the bar shows it. */
function Used(props: { what: string; used: number; allowed: number; days: number }): JSX.Element {
  const { what, used, allowed, days } = props;
  const share = allowed > 0 ? Math.min(used / allowed, 1) : 1;
  const words = `${used.toLocaleString('en')} of ${allowed.toLocaleString('en')} ${what} in ${days} days`;
  return (
    <div className="crk-Used" data-level={share >= 1 ? 'spent' : share >= 0.8 ? 'low' : undefined}>
      <div>{words}</div>
      <div className="crk-Used-bar" aria-hidden="true">
        <div style={{ width: `${share * 100}%` }} />
      </div>
    </div>
  );
}
