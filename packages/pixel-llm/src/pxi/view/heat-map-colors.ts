/**
 * The colours of heat maps. Brightness says how large weights are, hue which way they lean; both steps are even to the eye
 * because they are chosen in OKLCH (B. Ottosson, "A perceptual color space for image processing", 2020) and not in RGB.
 * The steps are few enough that a whole drawing fits a palette of 256 colours.
 */

/** Red, green, blue, 0 to 255. */
export type Color = readonly [red: number, green: number, blue: number];

const BRIGHTNESS_STEPS = 20;
const BALANCE_STEPS = 11;
const DARKEST = 0.17;
const LIGHTEST = 0.93;
/** Degrees: negative blue, balanced violet to rose, positive amber. */
const NEGATIVE_HUE = 240;
const POSITIVE_HUE = 75 + 360;
const MOST_CHROMA = 0.155;
const BALANCED_CHROMA = 0.35;

/** Where a weight is not a finite number. */
const NOT_A_NUMBER: Color = [255, 0, 0];

const TABLE: readonly Color[] = Array.from({ length: BRIGHTNESS_STEPS * BALANCE_STEPS }, (_, index) => {
  const brightness = Math.floor(index / BALANCE_STEPS) / (BRIGHTNESS_STEPS - 1);
  const lean = (index % BALANCE_STEPS) / (BALANCE_STEPS - 1);
  // Most weights are far smaller than the largest: a power below 1 gives them more of the scale.
  const lightness = DARKEST + (LIGHTEST - DARKEST) * brightness ** 0.8;
  // Full colour in the middle, for the darkest and the lightest have little to give; and little where signs are balanced.
  const vivid = BALANCED_CHROMA + (1 - BALANCED_CHROMA) * Math.abs(2 * lean - 1);
  const chroma = MOST_CHROMA * vivid * Math.sin(Math.PI * (0.12 + 0.76 * brightness)) ** 0.8;
  return fromOklch(lightness, chroma, NEGATIVE_HUE + (POSITIVE_HUE - NEGATIVE_HUE) * lean);
});

/**
 * The colour of a cell. `brightness`: 0 to 1 (more is cut off), NaN for weights that are no numbers. `lean`: the balance of signs,
 * -1 to 1 (more is cut off), already stretched as the drawing's legend says.
 */
export function heatColor(brightness: number, lean: number): Color {
  if (Number.isNaN(brightness)) return NOT_A_NUMBER;
  const row = Math.round(clamp(brightness) * (BRIGHTNESS_STEPS - 1));
  const column = Math.round(clamp((lean + 1) / 2) * (BALANCE_STEPS - 1));
  return TABLE[row * BALANCE_STEPS + column] ?? NOT_A_NUMBER;
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/** OKLCH to sRGB; what the screen cannot show loses chroma until it can. */
function fromOklch(lightness: number, chroma: number, hueDegrees: number): Color {
  const hue = (hueDegrees * Math.PI) / 180;
  for (let c = chroma; c > 0; c -= 0.004) {
    const linear = oklabToLinear(lightness, c * Math.cos(hue), c * Math.sin(hue));
    if (linear.every((value) => value >= -0.0005 && value <= 1.0005)) return toBytes(linear);
  }
  return toBytes(oklabToLinear(lightness, 0, 0));
}

function oklabToLinear(lightness: number, a: number, b: number): readonly number[] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function toBytes(linear: readonly number[]): Color {
  const [red = 0, green = 0, blue = 0] = linear.map((value) => {
    const clamped = clamp(value);
    const encoded = clamped <= 0.0031308 ? 12.92 * clamped : 1.055 * clamped ** (1 / 2.4) - 0.055;
    return Math.round(encoded * 255);
  });
  return [red, green, blue];
}
