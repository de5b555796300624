/** Asks the browser for the passkey, and sends its assertion with the form. A file of its own: no script runs inline. */
export const PASSKEY_SCRIPT = `'use strict';
const form = document.getElementById('passkey');
const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const options = JSON.parse(form.dataset.options);
  const status = form.querySelector('[role=status]');
  try {
    const credential = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: options.allowCredentials.map((one) => ({ ...one, id: bytes(one.id) })),
      },
    });
    const { authenticatorData, clientDataJSON, signature, userHandle } = credential.response;
    form.elements.assertion.value = JSON.stringify({
      id: credential.id,
      rawId: credential.id,
      type: credential.type,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: {
        authenticatorData: text(authenticatorData),
        clientDataJSON: text(clientDataJSON),
        signature: text(signature),
        ...(userHandle && { userHandle: text(userHandle) }),
      },
    });
    form.submit();
  } catch (error) {
    status.textContent = 'Your passkey did not confirm it (' + error.name + '). Nothing was paid; try again.';
  }
});
`;
