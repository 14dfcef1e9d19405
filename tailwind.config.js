// Where Tailwind looks for the classes that pages use. Its theme, the tokens
// and the components are in static/src.
module.exports = {
  content: ["./views/**/*.templ"],
};
