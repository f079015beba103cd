/**
 * Little stories about a world of pixels: somebody lives somewhere, finds something, meets a friend, something goes wrong, the thing found (or
 * the friend) helps, the day ends. Who, where and what stay what they were from the first sentence to the last.
 */
import { type Grammar, judgeText, type Writer, writeText } from './grammar.ts';

// Lists have 2^n entries where they can, so that a choice is a whole number of bits.
const NAMES = split(
  'Pim Dot Lumi Tavo Rue Kip Zola Bix Nori Fenn Oda Milo Juno Wren Sol Tiki Vela Hob Ines Moss Yara Quin Lark Ember Pico Suri Ash Bram Cleo Dune Elia Fig',
);
const KINDS = split('pixel square sprite voxel glyph cursor ghost robot fox owl turtle moth frog mouse whale bee');
const TRAITS = split(
  'small brave shy curious sleepy cheerful careful clever gentle hungry lonely proud quick quiet silly stubborn',
);
const COLORS = split(
  'red orange yellow green teal blue violet pink white black grey golden silver brown amber crimson',
);
const THINGS = split(
  'lantern key shell rope map bell feather mirror ribbon stone umbrella kite spoon wheel candle drum needle button flute basket ladder hat marble seed lamp coin compass broom net blanket whistle cup',
);
const HOMES = [
  'in the far left corner of the map',
  'at the top of a tall tower',
  'under the old bridge',
  'beside the blue lake',
  'in a house made of tiles',
  'near the edge of the world',
  'in the middle of the meadow',
  'behind the waterfall',
  'at the bottom of the screen',
  'on a little island',
  'inside a hollow tree',
  'on the second layer',
  'next to the library',
  'in the quiet forest',
  'between two hills',
  'at the end of the long road',
] as const;
const PLACES = split(
  'river field cave beach garden market hill well gate bridge orchard swamp desert harbor mill ruins',
);
const TIMES = split('morning afternoon evening night');
const WEATHERS = [
  'The sun was shining',
  'It was raining',
  'The wind was loud',
  'Everything was covered in fog',
] as const;
const WISHES = [
  'wanted to see the whole map',
  'wanted to find a new friend',
  'was looking for something to eat',
  'had nothing to do',
  'wanted to learn a song',
  'could not sleep',
  'was waiting for the rain to stop',
  'wanted to draw a picture',
] as const;
const GREETINGS = ['Hello', 'Good day', 'Hey there', 'What a surprise'] as const;
const FEELINGS = split('happy glad proud calm');
const WORRIES = split('sad afraid worried upset');

/** What goes wrong, and how a thing solves it. */
const PROBLEMS = [
  { trouble: 'had fallen into a deep hole', help: 'let the %t down into the hole', done: 'climbed out' },
  {
    trouble: 'could not find the way home',
    help: 'held up the %t so that it could be seen from far away',
    done: 'saw the way again',
  },
  { trouble: 'was stuck between two tiles', help: 'pushed the %t between the tiles', done: 'came free' },
  { trouble: 'had lost all color', help: 'shared the color of the %t', done: 'was bright again' },
  { trouble: 'was too tired to walk', help: 'made a little cart out of the %t', done: 'could ride all the way' },
  { trouble: 'was hiding from a storm', help: 'made a roof out of the %t', done: 'stayed dry' },
  { trouble: 'could not cross the water', help: 'laid the %t across the water', done: 'walked over' },
  { trouble: 'had forgotten a song', help: 'tapped the song on the %t', done: 'remembered every note' },
] as const;
const LESSONS = [
  'A small thing can be a great help.',
  'Two are braver than one.',
  'What you share, you keep.',
  'Nobody is too small to be kind.',
] as const;

/** Choices are made in the order of their words, so that a story that is judged gives every wrong way up at once. */
const pixelStory: Grammar = (writer) => {
  const { choose, write } = writer;
  const say = (options: readonly string[]): string => {
    const chosen = choose(options);
    write(chosen);
    return chosen;
  };
  const name = introduce(writer, say);
  write(' One ');
  say(TIMES);
  write(`, ${name} `);
  say(WISHES);
  write('. ');
  say(WEATHERS);
  if (say(['. Near the ', `. ${name} went to the `]).startsWith('. Near')) {
    say(PLACES);
    write(`, ${name} found `);
  } else {
    say(PLACES);
    write(' and found ');
  }
  const color = choose(COLORS);
  write(`${article(color)} ${color} `);
  const thing = say(THINGS);
  write(`. Then ${name} met `);
  const friendKind = choose(KINDS);
  write(`${article(friendKind)} ${friendKind} called `);
  const friend = say(NAMES.filter((other) => other !== name));
  write('. "');
  say(GREETINGS);
  write(`, ${name}!" said ${friend}. But ${friend} was `);
  say(WORRIES);
  write(', because a ');
  say(TRAITS);
  write(' ');
  say(KINDS);
  const problem = choose(PROBLEMS);
  write(` ${problem.trouble}. `);
  say([
    `${name} had an idea.`,
    `${name} thought for a while.`,
    `"I know what to do," said ${name}.`,
    `"Let us help," said ${name}.`,
  ]);
  write(` ${name} ${problem.help.replace('%t', `${color} ${thing}`)}, and soon the little one ${problem.done}. `);
  say([`${friend} was very `, `Now ${friend} and ${name} were both `]);
  say(FEELINGS);
  write(`. ${name} `);
  say([`gave the ${thing} to ${friend}`, `took the ${thing} home`]);
  say([' and went to sleep. ', ' and laughed. ', ' before it got dark. ', ' and they were friends from then on. ']);
  say(LESSONS);
};

/** Who it is about; returns the name. */
function introduce({ write }: Writer, say: (options: readonly string[]) => string): string {
  const opening = say(['Once there was a ', ...NAMES]);
  const isFirst = opening !== 'Once there was a ';
  if (isFirst) write(' was a ');
  say(TRAITS);
  write(' ');
  say(KINDS);
  if (!isFirst) write(' named ');
  const name = isFirst ? opening : say(NAMES);
  write(' who lived ');
  say(HOMES);
  write('.');
  return name;
}

/** Story number `example` of a seed. */
export function writeStory(seed: number, example: number): string {
  return writeText(pixelStory, seed, example);
}

/**
 * What is wrong with a story, or undefined for one that keeps to the grammar: its names, places and things stay what they were.
 * `nats` is what a perfect model of the stories would need for it.
 */
export function judgeStory(story: string): { readonly nats: number } | undefined {
  return judgeText(pixelStory, story);
}

function article(word: string): string {
  return /^[aeiou]/.test(word) ? 'an' : 'a';
}

function split(words: string): readonly string[] {
  return words.split(' ');
}
