/** `pixel-coach completion` and `aliases`: what a shell takes into its start-up file. Both are made from the commands as they are. */
import { Argument, type Command } from 'commander';
import type { CommandContext, RegisterCommand } from './command.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Short names for what is typed often. */
const ALIASES: Readonly<Record<string, string>> = {
  pc: '',
  pcs: 'status',
  pcn: 'next',
  pcr: 'coach',
  pcl: 'list-tasks',
  pct: 'show-task',
  pcd: 'dashboard',
  pch: 'list-tasks --status needs_human',
};

export const registerCompletion: RegisterCommand = (program, context) => {
  program
    .command('completion')
    .description('Prints the completion script of a shell.')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  pixel-coach completion bash >> ~/.bashrc\n  pixel-coach completion zsh > ~/.zfunc/_pixel-coach\n  pixel-coach completion fish > ~/.config/fish/completions/pixel-coach.fish',
    )
    .action((shell: Shell) => context.print(completionScript(program, shell)));
  program
    .command('aliases')
    .description('Prints shell aliases for the commands that are typed often.')
    .addHelpText('after', '\nExamples:\n  pixel-coach aliases >> ~/.bashrc')
    .action(() => printAliases(context));
};

async function printAliases(context: CommandContext): Promise<void> {
  const lines = Object.entries(ALIASES).map(
    ([name, rest]) => `alias ${name}='pixel-coach${rest === '' ? '' : ` ${rest}`}'`,
  );
  await context.print(`${lines.join('\n')}\n`);
}

function completionScript(program: Command, shell: Shell): string {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    description: command.description().replaceAll("'", ''),
    options: command.options.flatMap(({ long }) => (long ? [long] : [])),
  }));
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      return `#compdef pixel-coach\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`;
    case 'fish':
      return fish(commands);
  }
}

interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly string[];
}

function bash(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(({ name, options }) => `    ${name}) words='${[...options, '--help'].join(' ')}' ;;`);
  return `_pixel_coach() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${commands.map(({ name }) => name).join(' ')} --help --version'
  else
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    *) words='--help' ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _pixel_coach pixel-coach
`;
}

function fish(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, description, options }) => [
    `complete -c pixel-coach -n __fish_use_subcommand -f -a ${name} -d '${description}'`,
    ...options.map(
      (option) => `complete -c pixel-coach -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`,
    ),
  ]);
  return `${lines.join('\n')}\n`;
}
