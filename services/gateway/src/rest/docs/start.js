// A token is pasted as it is printed; the scheme before it is ours to add. None is ever kept.
const bearer = (request) => {
  const token = request.headers.Authorization?.trim();
  if (token && !/^bearer\s/i.test(token)) request.headers.Authorization = `Bearer ${token}`;
  return request;
};

window.ui = SwaggerUIBundle({
  url: "docs/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  requestInterceptor: bearer,
  validatorUrl: null,
});
