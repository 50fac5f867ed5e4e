// As many INVITEs as a server on this machine answers: a window of them is out at any time, each in a call of its own.
//
//   sip_flood PORT SECONDS WINDOW      prints "ANSWERS SECONDS LOST"
//
// A request without an answer for 200 ms counts as lost and is replaced.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 32, size = 2048 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static int write_invite(char *text, unsigned long number, int port, int local) {
  const char *body =
      "v=0\r\no=carrier 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
      "m=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
      "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n";
  return snprintf(
      text, size,
      "INVITE sip:+13125550123@127.0.0.1:%d SIP/2.0\r\n"
      "Via: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%016lx;rport\r\n"
      "Max-Forwards: 70\r\nFrom: \"Caller\" <sip:+13125550199@127.0.0.1>;tag=%016lx\r\n"
      "To: <sip:+13125550123@127.0.0.1:%d>\r\nCall-ID: %016lx@127.0.0.1\r\nCSeq: 1 INVITE\r\n"
      "Contact: <sip:carrier@127.0.0.1:%d>\r\nAllow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r\n"
      "Supported: timer, 100rel, replaces\r\nUser-Agent: carrier\r\nContent-Type: application/sdp\r\n"
      "Content-Length: %zu\r\n\r\n%s",
      port, local, number, number, port, number, local, strlen(body), body);
}

int main(int count, char **words) {
  if (count != 4) return 2;
  int port = atoi(words[1]), window = atoi(words[3]);
  double seconds = atof(words[2]);
  int end = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in peer = local;
  peer.sin_port = htons(port);
  int room = 4 << 20;
  setsockopt(end, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  socklen_t length = sizeof local;
  if (bind(end, (void *)&local, sizeof local) || connect(end, (void *)&peer, sizeof peer) ||
      getsockname(end, (void *)&local, &length))
    return 1;
  static char texts[batch][size], answers[batch][size];
  struct iovec out[batch], in[batch];
  struct mmsghdr sent[batch] = {0}, received[batch] = {0};
  for (int i = 0; i < batch; i++) {
    out[i].iov_base = texts[i];
    in[i] = (struct iovec){answers[i], size};
    sent[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
    received[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
  }
  unsigned long number = 0, answered = 0, lost = 0;
  int outstanding = 0;
  double begun = now(), until = begun + seconds;
  while (now() < until) {
    while (outstanding < window) {
      int some = window - outstanding < batch ? window - outstanding : batch;
      for (int i = 0; i < some; i++)
        out[i].iov_len = write_invite(texts[i], number++, port, ntohs(local.sin_port));
      int gone = sendmmsg(end, sent, some, 0);
      if (gone <= 0) break;
      outstanding += gone;
    }
    struct pollfd entry = {end, POLLIN, 0};
    if (poll(&entry, 1, 200) == 0) {
      lost += outstanding;
      outstanding = 0;
      continue;
    }
    int some = recvmmsg(end, received, batch, MSG_DONTWAIT, NULL);
    for (int i = 0; i < some; i++)
      if (received[i].msg_len > 12 && memcmp(answers[i], "SIP/2.0 302 ", 12) == 0) {
        answered++;
        if (outstanding > 0) outstanding--;
      }
  }
  printf("%lu %.3f %lu\n", answered, now() - begun, lost);
  return 0;
}
