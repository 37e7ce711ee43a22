// Requests can be tried where the API is: at the gateway, not from the disk.
window.SwaggerUIBundle({
  spec: window.OPENAPI,
  dom_id: '#openapi',
  docExpansion: 'none',
  defaultModelsExpandDepth: -1,
  filter: true,
  supportedSubmitMethods: location.protocol.startsWith('http') ? undefined : [],
  validatorUrl: null,
});
