/**
 * Owner's panel: the tab “Clean Room · Owner”, with one section at a time.
 */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { csv } from './csv';
import { roomIcon } from './icons';
import { OwnerModel } from './ownermodel';
import { IOwnerActions, OwnerView } from './ownerview';

export class OwnerPanel extends ReactWidget {
  constructor(private readonly model: OwnerModel) {
    super();
    this.id = 'cleanroom-owner';
    this.title.label = 'Clean Room · Owner';
    this.title.icon = roomIcon;
    this.title.closable = true;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Clean Room, owner');
    this.addClass('crk-Panel');
    this.addClass('crk-Owner');
    model.changed.connect(this._entitle, this);
  }

  dispose(): void {
    this.model.changed.disconnect(this._entitle, this);
    super.dispose();
  }

  /** How many requests wait is seen from another tab, too. */
  private _entitle(): void {
    const { waiting } = this.model;
    this.title.label = waiting > 0 ? `Clean Room · Owner (${waiting})` : 'Clean Room · Owner';
  }

  render(): JSX.Element {
    return (
      <UseSignal signal={this.model.changed}>
        {() => (
          <OwnerView
            state={this.model.state}
            isConnected={this.model.isConnected}
            waiting={this.model.waiting}
            actions={this._actions}
          />
        )}
      </UseSignal>
    );
  }

  private readonly _actions: IOwnerActions = {
    connect: line => void this.model.connect(line),
    examine: request => void this.model.examine(request),
    decide: (request, decision, comment) => this.model.decide(request, decision, comment),
    interrupt: session => void this.model.interrupt(session),
    end: async (session, expert) => {
      if (await isSure(`End the session of ${expert}?`, 'Its variables are lost; a running cell stops.', 'End session')) {
        await this.model.end(session);
      }
    },
    open: sequence => void this.model.open(sequence),
    verify: () => void this.model.verify(),
    save: () => download('clean-room-ledger.csv', csv(this.model.state.ledger)),
    invite: name => void this.model.invite(name),
    revoke: async name => {
      if (await isSure(`Revoke the access of ${name}?`, 'Running sessions end within a second.', 'Revoke')) {
        await this.model.revoke(name);
      }
    },
    rehearse: draft => void this.model.rehearse(draft),
    cancelRehearsal: () => void this.model.cancelRehearsal(),
    savePolicy: async (draft, entry) => {
      if (await isSure('Save this policy?', 'It holds for the next answer of every session, and stands in the audit log under your name.', 'Save')) {
        await this.model.savePolicy(draft, entry);
      }
    }
  };
}

async function isSure(title: string, body: string, label: string): Promise<boolean> {
  const result = await showDialog({ title, body, buttons: [Dialog.cancelButton(), Dialog.warnButton({ label })] });
  return result.button.accept;
}

function download(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
