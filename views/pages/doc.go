// Package pages holds one file per screen: the page, its fragments and the
// view model that both are functions of. A page never fetches; a handler fills
// the view model and renders. Of ours it imports only views/components,
// views/layouts, domain, money and static.
//
// Every page is Name(v NameView) templ.Component and every view embeds
// Layout layouts.Model. A fragment for htmx is an exported component that the
// page itself calls.
package pages
