#version 300 es
// Fragment shader of the slices: image, heat, then masks filled and with contours of constant width on the screen.
// Truth is sky blue with a solid contour, prediction orange with a dashed one, agreement white: never colour alone.
// A result that is compared with another one is purple where truth would be sky blue. Heat goes from nothing to yellow.
precision highp int;
precision highp float;
// one name a line: NiiVue finds the names of uniforms by reading this text
uniform highp sampler3D volume;
uniform highp sampler3D overlay;
uniform float opacity;
uniform float overlays;
uniform float overlayAlphaShader;     // of the fill
uniform float overlayOutlineWidth;    // of the contour, pixels; 0 for none
uniform int backgroundMasksOverlays;  // what is shown: 1 truth, 2 prediction, 4 heat; 8: truth is another result
in vec3 texPos;
out vec4 color;

const vec3 SKY = vec3(0.337, 0.706, 0.914);
const vec3 ORANGE = vec3(0.902, 0.624, 0.0);
const vec3 PURPLE = vec3(0.8, 0.475, 0.655);

bvec2 inside(vec3 at) {
  vec4 mark = texture(overlay, at);
  bool any = mark.a > 0.5;
  return bvec2(any && mark.b > 0.6 && (backgroundMasksOverlays & 1) != 0,
               any && mark.r > 0.6 && (backgroundMasksOverlays & 2) != 0);
}

vec3 warmth(float level) {
  const vec3 low = vec3(0.267, 0.005, 0.329), middle = vec3(0.128, 0.567, 0.551), high = vec3(0.993, 0.906, 0.144);
  return level < 0.5 ? mix(low, middle, 2.0 * level) : mix(middle, high, 2.0 * level - 1.0);
}

void main() {
  vec4 image = texture(volume, texPos);
  color = vec4(image.rgb, opacity);
  if (overlays < 0.5 || (backgroundMasksOverlays & 7) == 0) return;
  vec3 other = (backgroundMasksOverlays & 8) != 0 ? PURPLE : SKY;
  if ((backgroundMasksOverlays & 4) != 0) {
    float level = texture(overlay, texPos).g;
    color.rgb = mix(color.rgb, warmth(level), smoothstep(0.0, 0.35, level) * 0.75);
  }
  vec3 right = dFdx(texPos), up = dFdy(texPos);
  bvec2 here = inside(texPos);
  if (!here.x && !here.y) return;
  vec3 fill = here.x && here.y ? vec3(1.0) : here.x ? other : ORANGE;
  color.rgb = mix(color.rgb, fill, overlayAlphaShader);
  if (overlayOutlineWidth <= 0.0) return;
  bvec2 whole = bvec2(true);
  for (int i = 0; i < 8; i++) {
    float turn = float(i) * 0.785398;
    bvec2 there = inside(texPos + overlayOutlineWidth * (cos(turn) * right + sin(turn) * up));
    whole = bvec2(whole.x && there.x, whole.y && there.y);
  }
  bool dash = fract((gl_FragCoord.x + gl_FragCoord.y) / (overlayOutlineWidth * 6.0)) < 0.62;
  if (here.y && !whole.y && (dash || !(here.x && !whole.x))) {
    color.rgb = dash ? ORANGE : mix(color.rgb, vec3(0.0), 0.35);
  } else if (here.x && !whole.x) {
    color.rgb = other;
  }
}
