"""Headless Firefox fetches a page, by its own remote protocol (Marionette).

firefox.py PROFILE URL: prints the cipher suite as Firefox names it, then the page's text. PROFILE is a folder
with the certificates it shall trust. The browser is ended before the program ends.
"""
import json
import os
import socket
import subprocess
import sys
import time

PORT = 2828
PREFERENCES = {
    'marionette.port': PORT,
    'browser.shell.checkDefaultBrowser': False,
    'datareporting.policy.dataSubmissionEnabled': False,
    'network.captive-portal-service.enabled': False,
    'network.connectivity-service.enabled': False,
    'network.manage-offline-status': False,
}


class Marionette:
    """Packets are LENGTH:[type, number, ...] in JSON."""

    def __init__(self, deadline):
        while True:
            try:
                self.sock = socket.create_connection(('127.0.0.1', PORT), 1)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.sock.settimeout(30)
        self.file = self.sock.makefile('rb')
        self.count = 0
        self.packet()

    def packet(self):
        length = b''
        while not length.endswith(b':'):
            byte = self.file.read(1)
            if not byte:
                raise EOFError('Firefox hung up')
            length += byte
        return json.loads(self.file.read(int(length[:-1])))

    def call(self, command, **parameters):
        self.count += 1
        text = json.dumps([0, self.count, command, parameters]).encode()
        self.sock.sendall(b'%d:%s' % (len(text), text))
        _, _, error, result = self.packet()
        if error:
            raise RuntimeError('%s: %s' % (command, error['message']))
        return result.get('value') if isinstance(result, dict) else result


def visit(url, deadline):
    firefox = Marionette(deadline)
    firefox.call('WebDriver:NewSession')
    firefox.call('WebDriver:Navigate', url=url)
    page = firefox.call('WebDriver:ExecuteScript', script='return document.documentElement.innerText', args=[])
    firefox.call('Marionette:SetContext', value='chrome')
    print(firefox.call('WebDriver:ExecuteScript', args=[],
                       script='return gBrowser.securityUI.secInfo.cipherName'))
    print(page)


def main():
    profile, url = sys.argv[1:]
    with open(os.path.join(profile, 'user.js'), 'w') as preferences:
        for name, value in PREFERENCES.items():
            preferences.write('user_pref(%s, %s);\n' % (json.dumps(name), json.dumps(value)))
    browser = subprocess.Popen(['firefox-esr', '--headless', '--no-remote', '--marionette',
                                '--remote-allow-system-access', '--profile', profile],
                               env=dict(os.environ, HOME=profile, MOZ_CRASHREPORTER_DISABLE='1'),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        visit(url, time.monotonic() + 30)
    finally:
        browser.terminate()
        try:
            browser.wait(10)
        except subprocess.TimeoutExpired:
            browser.kill()


main()
