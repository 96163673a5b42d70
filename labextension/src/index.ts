/**
 * The extension: small plugins around one model.
 */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, WidgetTracker } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Poll } from '@lumino/polling';

import { Client } from './client';
import { askForInvitation, celebrate } from './connect';
import { roomIcon } from './icons';
import { RoomModel } from './model';
import { Notebooks } from './notebooks';
import { OwnerPanel } from './owner';
import { OwnerClient } from './ownerclient';
import { OwnerModel } from './ownermodel';
import { RoomPanel } from './panel';
import { StatusItem } from './status';
import { ICleanRoom, INotebooks } from './tokens';

const POLL_MS = 10_000;
const OWNER_POLL_MS = 3_000;
const REHEARSAL_POLL_MS = 500;
const STARTING_MS = 1_000; // while a session is being started, which takes a few seconds
const MOST_STARTING = 30;
const CATEGORY = 'Clean Room';

namespace Command {
  export const show = 'cleanroom:show-panel';
  export const connect = 'cleanroom:connect';
  export const receipt = 'cleanroom:toggle-receipt';
  export const owner = 'cleanroom:show-owner';
}

const room: JupyterFrontEndPlugin<ICleanRoom> = {
  id: 'cleanroom-kernel:room',
  description: 'What is known of the room behind the notebook in front.',
  autoStart: true,
  requires: [INotebookTracker],
  provides: ICleanRoom,
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker): ICleanRoom => {
    const model = new RoomModel(new Client(app.serviceManager.serverSettings));
    let starting = 0;
    const poll = new Poll({
      name: 'cleanroom-kernel:poll',
      factory: async () => {
        await model.refresh();
        const isSoon = model.isStarting && ++starting < MOST_STARTING;
        poll.frequency = { ...poll.frequency, interval: isSoon ? STARTING_MS : POLL_MS };
      },
      frequency: { interval: POLL_MS, backoff: true },
      standby: 'when-hidden'
    });
    const follow = () => {
      starting = 0;
      model.follow(tracker.currentWidget?.sessionContext.session?.kernel?.id ?? null);
      void poll.refresh();
    };
    tracker.currentChanged.connect(follow);
    tracker.widgetAdded.connect((_, panel) => {
      panel.sessionContext.kernelChanged.connect(follow);
    });
    return model;
  }
};

const notebooks: JupyterFrontEndPlugin<INotebooks> = {
  id: 'cleanroom-kernel:notebooks',
  description: 'Badges under the cells that asked a room for something.',
  autoStart: true,
  requires: [INotebookTracker, ICleanRoom],
  provides: INotebooks,
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker, model: ICleanRoom): INotebooks =>
    new Notebooks(tracker, model)
};

const panel: JupyterFrontEndPlugin<void> = {
  id: 'cleanroom-kernel:panel',
  description: 'The side panel “Clean Room”.',
  autoStart: true,
  requires: [ICleanRoom, INotebooks],
  optional: [ILayoutRestorer],
  activate: (app: JupyterFrontEnd, model: ICleanRoom, cells: INotebooks, restorer: ILayoutRestorer | null) => {
    const widget = new RoomPanel(model, cells, () => void app.commands.execute(Command.connect));
    app.shell.add(widget, 'right', { rank: 600 });
    restorer?.add(widget, 'cleanroom-panel');
    app.commands.addCommand(Command.show, {
      label: 'Show the Clean Room Panel',
      caption: 'The room behind this notebook, its tables and what was released',
      icon: roomIcon,
      execute: () => app.shell.activateById(widget.id)
    });
  }
};

const connect: JupyterFrontEndPlugin<void> = {
  id: 'cleanroom-kernel:connect',
  description: 'The dialog that takes an invitation.',
  autoStart: true,
  requires: [ICleanRoom],
  optional: [ILauncher],
  activate: (app: JupyterFrontEnd, model: ICleanRoom, launcher: ILauncher | null) => {
    const client = new Client(app.serviceManager.serverSettings);
    app.commands.addCommand(Command.connect, {
      label: args => (args['isLauncher'] ? 'Connect to a Clean Room' : 'Connect to a Clean Room…'),
      caption: 'Paste the invitation of a room’s owner',
      icon: roomIcon,
      execute: async () => {
        const connection = await askForInvitation(client);
        if (connection === null) {
          return;
        }
        await app.serviceManager.kernelspecs.refreshSpecs();
        void model.refresh();
        celebrate(connection, () => {
          void app.commands.execute('notebook:create-new', { kernelName: connection.name });
        });
      }
    });
    launcher?.add({ command: Command.connect, category: 'Other', rank: 9, args: { isLauncher: true } });
  }
};

const owner: JupyterFrontEndPlugin<void> = {
  id: 'cleanroom-kernel:owner',
  description: 'The owner’s panel: sessions, requests, ledger, policy and room.',
  autoStart: true,
  optional: [ILayoutRestorer],
  activate: (app: JupyterFrontEnd, restorer: ILayoutRestorer | null) => {
    const model = new OwnerModel(new OwnerClient(app.serviceManager.serverSettings));
    const tracker = new WidgetTracker<OwnerPanel>({ namespace: 'cleanroom-owner' });
    let widget: OwnerPanel | null = null;
    const poll = new Poll({
      auto: false,
      name: 'cleanroom-kernel:owner-poll',
      factory: () => model.refresh(),
      frequency: { interval: OWNER_POLL_MS, backoff: true },
      standby: () => !widget || widget.isDisposed || document.hidden
    });
    const rehearsal = new Poll({
      auto: false,
      name: 'cleanroom-kernel:rehearsal-poll',
      factory: () => model.follow(),
      frequency: { interval: REHEARSAL_POLL_MS, backoff: true },
      standby: () => !model.isRehearsing || !widget || widget.isDisposed || document.hidden
    });
    app.commands.addCommand(Command.owner, {
      label: 'Show the Owner’s Panel',
      caption: 'For the owner of a clean room: who is in it, what is asked for, and what left',
      icon: roomIcon,
      execute: async () => {
        if (widget === null || widget.isDisposed) {
          widget = new OwnerPanel(model);
          app.shell.add(widget, 'main');
          void tracker.add(widget);
          void poll.start();
          void rehearsal.start();
        }
        app.shell.activateById(widget.id);
        await model.refresh();
      }
    });
    if (restorer) {
      void restorer.restore(tracker, { command: Command.owner, name: () => 'owner' });
    }
  }
};

const receipts: JupyterFrontEndPlugin<void> = {
  id: 'cleanroom-kernel:receipts',
  description: 'Opens the receipt under a cell from the keyboard.',
  autoStart: true,
  requires: [INotebooks],
  activate: (app: JupyterFrontEnd, cells: INotebooks) => {
    app.commands.addCommand(Command.receipt, {
      label: 'Show or Hide the Receipt of the Active Cell',
      caption: 'What the cell got out of the clean room, and by which rules',
      execute: () => cells.toggleReceipt()
    });
  }
};

const palette: JupyterFrontEndPlugin<void> = {
  id: 'cleanroom-kernel:palette',
  description: 'The commands, in the command palette.',
  autoStart: true,
  requires: [ICommandPalette],
  activate: (_: JupyterFrontEnd, commands: ICommandPalette) => {
    for (const command of Object.values(Command)) {
      commands.addItem({ command, category: CATEGORY });
    }
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: 'cleanroom-kernel:status',
  description: 'The room and the number of releases, in the status bar.',
  autoStart: true,
  requires: [ICleanRoom],
  optional: [IStatusBar], // Notebook 7 has none
  activate: (app: JupyterFrontEnd, model: ICleanRoom, bar: IStatusBar | null) => {
    bar?.registerStatusItem('cleanroom-kernel:status', {
      item: new StatusItem(model, () => void app.commands.execute(Command.show)),
      align: 'left',
      rank: 90,
      isActive: () => model.isActive,
      activeStateChanged: model.changed
    });
  }
};

export default [room, notebooks, panel, connect, receipts, owner, palette, status];
export { ICleanRoom, INotebooks } from './tokens';
