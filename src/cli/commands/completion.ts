// Completion scripts: commands, options, and the names of tunnels in both folders. SPEC.md 9.1.
import type { Command } from '../commandTable.js';

const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  up: ['--force', '--dry-run'],
  run: ['--force'],
  down: ['--force'],
  reload: ['--force'],
  status: ['--json', '--watch', '--stats'],
  doctor: ['--json'],
};

/** Commands whose argument is a tunnel or an interface. */
const TAKES_TUNNEL = ['up', 'run', 'down', 'reload', 'save', 'strip', 'status', 'doctor'];

const TUNNELS = `local tunnels
  tunnels=$(for file in /etc/beam/*.conf /etc/wireguard/*.conf; do
    [ -e "$file" ] && file=\${file##*/} && printf '%s\\n' "\${file%.conf}"
  done)`;

type Commands = readonly Pick<Command, 'name' | 'summary'>[];

export function completionScript(shell: 'bash' | 'zsh', commands: Commands): string {
  return shell === 'bash' ? bash(commands) : zsh(commands);
}

function bash(commands: Commands): string {
  const names = [...commands.map(({ name }) => name), 'help'].join(' ');
  return `# beam completion bash > /usr/share/bash-completion/completions/beam
_beam() {
  local word=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]}
  ${TUNNELS}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${names}' -- "$word"))
    return
  fi
  case $command in
${Object.entries(OPTIONS)
  .map(
    ([name, options]) =>
      `    ${name}) [[ $word == -* ]] && COMPREPLY=($(compgen -W '${options.join(' ')}' -- "$word")) ;;`,
  )
  .join('\n')}
    help) COMPREPLY=($(compgen -W '${names}' -- "$word")) ;;
    completion) COMPREPLY=($(compgen -W 'bash zsh' -- "$word")) ;;
    config)
      if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W 'check diff' -- "$word"))
      elif [ "\${COMP_WORDS[2]}" = check ]; then COMPREPLY=($(compgen -f -- "$word"))
      else COMPREPLY=($(compgen -W "$tunnels --json" -- "$word")); fi ;;
  esac
  case $command in
    ${TAKES_TUNNEL.join('|')})
      [[ $word == -* ]] || COMPREPLY=($(compgen -W "$tunnels" -- "$word") $(compgen -f -X '!*.conf' -- "$word")) ;;
  esac
}
complete -o filenames -F _beam beam
`;
}

function zsh(commands: Commands): string {
  const described = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`);
  return `#compdef beam
# beam completion zsh > /usr/local/share/zsh/site-functions/_beam
_beam() {
  local -a commands
  commands=(
${described.join('\n')}
    'help:explain a command'
  )
  ${TUNNELS}
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${Object.entries(OPTIONS)
  .map(
    ([name, options]) =>
      `    ${name}) [[ $words[CURRENT] == -* ]] && compadd -- ${options.join(' ')} ;;`,
  )
  .join('\n')}
    completion) compadd bash zsh ;;
    config)
      if (( CURRENT == 3 )); then compadd check diff
      elif [[ $words[3] == check ]]; then _files -g '*.conf'
      else compadd -- \${(f)tunnels}; fi ;;
  esac
  case $words[2] in
    ${TAKES_TUNNEL.join('|')}) compadd -- \${(f)tunnels}; _files -g '*.conf' ;;
  esac
}
compdef _beam beam
`;
}

const quoted = (summary: string): string => summary.replaceAll("'", '').replaceAll(':', '\\:');
