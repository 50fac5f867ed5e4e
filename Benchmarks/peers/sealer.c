// Yardstick made for this project: the same file format in plain C over OpenSSL, one thread unless told.
// minimal Tink AES256-GCM-HKDF file encrypt/decrypt in C over OpenSSL: the attainable limit. usage: sealer e|d seg in out [threads]
#define _GNU_SOURCE
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/core_names.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <pthread.h>
static unsigned char key[32]={0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31};
static int enc,fi,fo,nth;static size_t seg;static off_t isz;static unsigned char dk[32],hdr[40];static unsigned nseg;static int bad;
static void hkdf(const unsigned char*salt,const char*aad){EVP_KDF*k=EVP_KDF_fetch(0,"HKDF",0);EVP_KDF_CTX*c=EVP_KDF_CTX_new(k);OSSL_PARAM p[]={OSSL_PARAM_construct_utf8_string("digest","SHA256",0),OSSL_PARAM_construct_octet_string("key",key,32),OSSL_PARAM_construct_octet_string("salt",(void*)salt,32),OSSL_PARAM_construct_octet_string("info",(void*)aad,strlen(aad)),OSSL_PARAM_END};if(EVP_KDF_derive(c,dk,32,p)!=1)abort();}
static void*work(void*a){long id=(long)a;unsigned char*b=aligned_alloc(4096,seg+4096),*o=aligned_alloc(4096,seg+4096);EVP_CIPHER_CTX*c=EVP_CIPHER_CTX_new();
 EVP_CipherInit_ex(c,EVP_aes_256_gcm(),0,dk,0,enc);
 for(unsigned i=id;i<nseg;i+=nth){unsigned char iv[12];memcpy(iv,hdr+33,7);iv[7]=i>>24;iv[8]=i>>16;iv[9]=i>>8;iv[10]=i;iv[11]=i==nseg-1;int l,l2;
  if(enc){off_t po=i?(off_t)i*(seg-16)-40:0;size_t n=i?seg-16:seg-56;if(po+(off_t)n>isz)n=isz-po;if(pread(fi,b,n,po)!=(ssize_t)n)abort();
   EVP_EncryptInit_ex(c,0,0,0,iv);EVP_EncryptUpdate(c,o,&l,b,n);EVP_EncryptFinal_ex(c,o+l,&l2);EVP_CIPHER_CTX_ctrl(c,EVP_CTRL_AEAD_GET_TAG,16,o+n);
   if(pwrite(fo,o,n+16,i?(off_t)i*seg:40)!=(ssize_t)n+16)abort();}
  else{off_t co=i?(off_t)i*seg:40;size_t n=i?seg:seg-40;if(co+(off_t)n>isz)n=isz-co;if(pread(fi,b,n,co)!=(ssize_t)n)abort();n-=16;
   EVP_DecryptInit_ex(c,0,0,0,iv);EVP_DecryptUpdate(c,o,&l,b,n);EVP_CIPHER_CTX_ctrl(c,EVP_CTRL_AEAD_SET_TAG,16,b+n);if(EVP_DecryptFinal_ex(c,o+l,&l2)!=1){bad=1;break;}
   if(pwrite(fo,o,n,i?(off_t)i*(seg-16)-40:0)!=(ssize_t)n)abort();}
 }return 0;}
int main(int c,char**v){enc=*v[1]=='e';seg=atol(v[2]);fi=open(v[3],O_RDONLY);fo=open(v[4],O_CREAT|O_TRUNC|O_WRONLY,0600);nth=c>5?atoi(v[5]):1;const char*aad="bench";struct stat s;fstat(fi,&s);isz=s.st_size;
 if(enc){hdr[0]=40;RAND_bytes(hdr+1,39);if(write(fo,hdr,40)!=40)abort();nseg=isz<=(off_t)seg-56?1:1+(isz-(seg-56)+seg-17)/(seg-16);}else{if(pread(fi,hdr,40,0)!=40||hdr[0]!=40)return 2;nseg=(isz+seg-1)/seg;}
 hkdf(hdr+1,aad);pthread_t t[16];for(long i=1;i<nth;i++)pthread_create(t+i,0,work,(void*)i);work(0);for(int i=1;i<nth;i++)pthread_join(t[i],0);return bad?2:0;}
